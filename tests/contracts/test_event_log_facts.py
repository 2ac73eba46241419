"""The EventLog port with facts, on every back end, and the journal that reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cron.ports import START, EventLog
from cron.wiring import open_log
from recommender.records.events import to_json
from tests.component.house import open_house
from tests.contracts import foreign_entries, test_event_log
from tests.contracts.records import event, fact, item
from tests.contracts.test_event_log import everything

EMBEDDED, ON_SERVERS = test_event_log.EMBEDDED, test_event_log.ON_SERVERS
FACTS = (fact(1, "i"), fact(2, "日 %/", "a\\b"), fact(3, "i", withdrawn=True))


@pytest.fixture
def log(url: str) -> EventLog:
    return open_log(url)


def test_facts_come_back_equal_beside_the_records(log: EventLog) -> None:
    log.append([FACTS[0], event(4), item(5, "i"), *FACTS[1:]])
    batch = log.read(START, 100)
    found = {record.event_id: record for record in batch.records}
    assert found == {one.event_id: one for one in (*FACTS, event(4), item(5, "i"))}
    assert batch.rejected == ()


def test_a_fact_is_journaled_once(log: EventLog, back_end: str, tmp_path: Path) -> None:
    """A log that detects no duplicates leaves them to the journal."""
    log.append([FACTS[0]])
    again = log.append([FACTS[0], FACTS[1]])
    if back_end != "kafka":
        assert again.duplicates == (0,)
    house = open_house(tmp_path, log=log)
    house.collect()
    assert house.records() == [FACTS[0], FACTS[1]]
    assert house.journal.count(1, 2).items == 2


def test_facts_of_a_head_keep_their_order(log: EventLog) -> None:
    log.append(FACTS)
    assert [one for one in everything(log) if one in (FACTS[0], FACTS[2])] == [FACTS[0], FACTS[2]]


def test_a_damaged_fact_is_a_dead_letter(
    log: EventLog, url: str, back_end: str, tmp_path: Path
) -> None:
    damaged = [
        to_json(fact(1, "i")).replace('"tail":"ann"', '"tail":""').encode(),
        to_json(replace(fact(2, "i"), withdrawn=True)).replace("true", '"yes"').encode(),
    ]
    foreign_entries.append_bodies(back_end, url, damaged)
    log.append([fact(3, "i")])
    house = open_house(tmp_path, log=log)
    house.collect()
    assert house.records() == [fact(3, "i")]
    rejected = log.read(START, 9).rejected
    assert [one.reason.partition(":")[0] for one in rejected] == ["tail", "withdrawn"]
