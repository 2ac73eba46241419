"""Slates in the journal: beside the events, read since a time, dropped, erased, adopted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cron.errors import ArtifactMissing
from cron.ledger import forgotten, slate_rows
from cron.slates.slate_files import PREFIX
from cron.slates.slate_upkeep import NUM_MERGED
from recommender.records.slates import Slate
from tests.component.forgetting import forget_in
from tests.component.house import House, open_house
from tests.contracts.records import START_AT, event, item, slate

LONG_AGO = START_AT - timedelta(days=1)


def slates_in(house: House, *, since: datetime = LONG_AGO) -> list[Slate]:
    return [*house.journal.slates.since(since)]


def collect_slates(house: House, *slates: Slate) -> None:
    house.log.append(slates)
    house.collect()


def names_in(house: House) -> set[str]:
    return {*house.artifacts.names(PREFIX)}


def tidy(house: House, *, older_than: datetime = LONG_AGO) -> None:
    house.journal.slates.tidy(older_than=older_than, lease=house.lease)


def test_slates_are_collected_beside_the_events(house: House) -> None:
    house.log.append([slate(1), event(1), slate(2, user_id=None), item(1, "i"), slate(3)])
    assert house.collect() == (1, 1, 0)
    assert house.records() == [event(1), item(1, "i")]
    assert house.journal.last_seq == 2
    assert slates_in(house) == [slate(1), slate(2, user_id=None), slate(3)]
    assert house.collect() == (0, 0, 0)
    assert house.log.backlog(house.journal.log_cursor) == 0


def test_slates_of_a_forgotten_session_are_erased(house: House, tmp_path: Path) -> None:
    of_session = replace(slate(1), user_id=None, session_id="s-1")
    collect_slates(house, of_session, slate(2, user_id=None))
    assert slates_in(house) == [of_session, slate(2, user_id=None)]
    forget_in(house, tmp_path, "s-1")
    assert slates_in(house) == [slate(2, user_id=None)]
    house.journal.slates.erase(forgotten.pending(house.ledger), house.lease)
    assert slates_in(house) == [slate(2, user_id=None)]


def test_a_log_of_slates_alone_gives_no_journal_numbers(house: House) -> None:
    collect_slates(house, slate(1), slate(2))
    assert (house.journal.last_seq, house.journal.ranges()) == (0, ())
    assert len(slates_in(house)) == 2


def test_reading_starts_at_the_asked_time(house: House) -> None:
    for number in range(6):
        collect_slates(house, slate(2 * number), slate(2 * number + 1))
    assert slates_in(house, since=slate(5).at) == [slate(number) for number in range(5, 12)]
    columns = [
        table.column_names
        for table in house.journal.slates.tables_since(slate(9).at, columns=["items", "version"])
    ]
    assert columns == [["items", "version"]] * 2


def test_a_slate_that_came_twice_is_read_once(house: House) -> None:
    """Kafka may hold it twice, and a log may be read again after a crash."""
    for number in (1, 2, 1, 3):
        house.journal.slates.put([slate(number)], house.lease)
    tidy(house)  # adopts what was put and never committed
    assert slates_in(house) == [slate(1), slate(2), slate(3)]


def test_a_batch_is_collected_after_its_commit_failed(house: House) -> None:
    """The file that was put before is adopted meanwhile, and has the name of the new one."""
    house.log.append([slate(1), slate(2)])
    house.journal.slates.put([slate(1), slate(2)], house.lease)
    tidy(house)
    house.collect()
    assert slates_in(house) == [slate(1), slate(2)]
    assert house.log.backlog(house.journal.log_cursor) == 0


def test_the_day_is_counted(house: House) -> None:
    collect_slates(house, slate(1), replace(slate(2), fallback=True))
    collect_slates(house, slate(3))
    now = house.ledger.now()
    counts = slate_rows.counts_of_day(house.ledger, now=now)
    assert (counts.num_slates, counts.num_fallbacks) == (3, 1)
    later = slate_rows.counts_of_day(house.ledger, now=now + timedelta(days=1, hours=1))
    assert (later.num_slates, later.num_fallbacks) == (0, 0)


def test_retention_deletes_whole_segments(house: House) -> None:
    days = [slate(day, at=START_AT + timedelta(days=day)) for day in range(4)]
    for one in days:
        collect_slates(house, one)
    before = names_in(house)
    tidy(house, older_than=days[2].at)
    assert slates_in(house) == days[2:]
    assert len(before) == 4
    assert len(names_in(house)) == 2
    assert slate_rows.names(house.ledger) == names_in(house)


def test_segments_of_an_ended_day_become_one(house: House) -> None:
    """A segment spans a day at most, or else retention could never drop it."""
    for number in range(4):
        collect_slates(house, slate(number, at=START_AT + timedelta(hours=12 * number)))
    read = slates_in(house)
    tidy(house)
    assert len(names_in(house)) == 2
    assert slates_in(house) == read
    assert len(read) == 4


def test_segments_of_today_are_merged_when_there_are_many(house: House) -> None:
    now = house.ledger.now().replace(hour=12, microsecond=0)
    house.ledger.now = lambda: now  # the day does not end meanwhile
    for number in range(NUM_MERGED - 1):
        house.journal.slates.put([slate(number, at=now)], house.lease)
    tidy(house)
    assert len(names_in(house)) == NUM_MERGED - 1
    collect_slates(house, slate(NUM_MERGED, at=now))
    tidy(house)
    assert len(names_in(house)) == 1
    assert len(slates_in(house)) == NUM_MERGED


def test_a_reader_is_not_disturbed_by_a_merge(house: House) -> None:
    for number in range(4):
        collect_slates(house, slate(number))
    reading = house.journal.slates.since(LONG_AGO)
    assert next(reading) == slate(0)
    tidy(house)
    assert [*reading] == [slate(1), slate(2), slate(3)]


def test_forgotten_users_are_gone_at_once_and_then_erased(house: House, tmp_path: Path) -> None:
    theirs = [slate(number, user_id="ann") for number in range(3)]
    others = [slate(4, user_id=None), slate(5, user_id="bob")]
    collect_slates(house, theirs[0], others[0])
    collect_slates(house, *theirs[1:])
    collect_slates(house, others[1])
    forget_in(house, tmp_path)
    assert slates_in(house) == others
    house.journal.erase(forgotten.pending(house.ledger), house.lease)
    assert slates_in(house) == others
    assert len(names_in(house)) == 2
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*.parquet"))
    assert stored
    assert b"ann" not in stored


def test_slates_that_wait_in_the_log_are_not_collected(house: House, tmp_path: Path) -> None:
    now = house.ledger.now()
    house.log.append([slate(1, user_id="ann", at=now), slate(2, user_id="bob", at=now)])
    forget_in(house, tmp_path)
    late = slate(3, user_id="ann", at=now + timedelta(hours=1))
    house.log.append([late])
    house.collect()
    assert [one.event_id for one in slates_in(house)] == ["s000002", "s000003"]


def test_an_older_ledger_adopts_the_newer_slates(house: House, tmp_path: Path) -> None:
    """The log was trimmed, so the files in the store are the only copy."""
    for number in range(3):
        collect_slates(house, slate(number), slate(number + 10, user_id="ann"))
    shutil.copy(tmp_path / "ledger.db", tmp_path / "backup.db")
    collect_slates(house, slate(3), slate(13, user_id="ann"))
    tidy(house)  # the files that the backup names are merged into one
    forget_in(house, tmp_path)
    marks = forgotten.pending(house.ledger)
    restored = tmp_path / "restored"
    shutil.copytree(tmp_path / "archives", restored / "archives")
    shutil.copy(tmp_path / "backup.db", restored / "ledger.db")
    older = open_house(restored)
    for mark in marks:
        forgotten.record(older.ledger, mark.user_key, up_to=mark.up_to, asked_by="a test")
    tidy(older)
    assert [one.event_id[-1] for one in slates_in(older) if one.user_id == "u"] == list("0123")
    tidy(older)
    assert slate_rows.names(older.ledger) == names_in(older)


def test_a_lost_file_is_reported(house: House, tmp_path: Path) -> None:
    collect_slates(house, slate(1))
    shutil.rmtree(tmp_path / "archives" / "slates")
    with pytest.raises(ArtifactMissing):
        slates_in(house)
