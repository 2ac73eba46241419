"""The EventLog port with slates, on every back end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cron.ports import START, EventLog
from cron.wiring import open_log
from recommender.records.events import to_json
from tests.component.house import open_house
from tests.contracts import foreign_entries, test_event_log
from tests.contracts.records import event, item, slate
from tests.contracts.test_event_log import everything

EMBEDDED, ON_SERVERS = test_event_log.EMBEDDED, test_event_log.ON_SERVERS


@pytest.fixture
def log(url: str) -> EventLog:
    return open_log(url)


def test_slates_come_back_equal_beside_the_records(log: EventLog) -> None:
    slates = [slate(1), replace(slate(2, user_id=None), arm="colours/red", version=None)]
    log.append([slates[0], event(1), item(2, "i"), slates[1]])
    batch = log.read(START, 100)
    assert sorted(batch.slates, key=lambda one: one.event_id) == slates
    assert sorted(one.event_id for one in batch.records) == ["e000001", "i000002"]
    assert batch.rejected == ()
    assert batch.num_entries == 4
    assert log.read(batch.cursor, 100).num_entries == 0


def test_an_event_may_have_the_id_of_its_list(log: EventLog) -> None:
    shown = replace(event(1), event_id=slate(1).event_id)
    assert log.append([slate(1)]).duplicates == ()
    assert log.append([shown]).duplicates == ()
    assert everything(log) == [shown]


def test_a_slate_is_stored_once(log: EventLog, back_end: str, tmp_path: Path) -> None:
    """A log that detects no duplicates leaves them to the reader of the journal."""
    log.append([slate(1)])
    again = log.append([slate(1), slate(2)])
    if back_end != "kafka":
        assert again.duplicates == (0,)
    house = open_house(tmp_path, log=log)
    house.collect()
    assert [*house.journal.slates.since(slate(1).at)] == [slate(1), slate(2)]


def test_a_slate_of_a_newer_release_loses_no_event(
    log: EventLog, url: str, back_end: str, tmp_path: Path
) -> None:
    """As for a reader from before there were slates: an unknown entry is a dead letter."""
    log.append([event(1)])
    newer = (to_json(slate(1))[:-1] + ',"mood":"good"}').encode()
    unknown = to_json(slate(2)).replace('"slate"', '"canvas"').encode()
    foreign_entries.append_bodies(back_end, url, [newer, unknown])
    log.append([event(2)])
    house = open_house(tmp_path, log=log)
    house.collect()
    assert {record.event_id for record in house.records()} == {"e000001", "e000002"}
    assert [*house.journal.slates.since(slate(1).at)] == []
