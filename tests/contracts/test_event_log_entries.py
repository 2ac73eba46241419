"""The EventLog port with large and with invalid entries, on every back end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cron.journal.collect import bury, collect
from cron.journal.dead_letters import DeadLetters
from cron.journal.follow import follow_once
from cron.journal.relay import relay_once
from cron.ports import BATCH_BYTES, START, Appended, Batch, Cursor, EventLog, Rejected
from cron.stored_records import MAX_RAW_BYTES
from cron.wiring import open_log
from recommender.records.events import MAX_RECORD_BYTES, Item, LogRecord, Record, to_json
from tests.component.house import open_house
from tests.contracts import foreign_entries, test_event_log
from tests.contracts.records import START_AT, event, event_lines, item
from tests.contracts.test_event_log import batches, everything

EMBEDDED, ON_SERVERS = test_event_log.EMBEDDED, test_event_log.ON_SERVERS


@pytest.fixture
def log(url: str) -> EventLog:
    return open_log(url)


def test_a_reader_at_the_place_of_an_append_has_read_it(log: EventLog) -> None:
    log.append([event(1)])
    for appended in (log.append([event(2), event(3)]), log.append_lines(event_lines([4, 5]))):
        if appended.through is not None:
            assert event(1) not in log.read(appended.through, 10).records
            assert event(3) not in log.read(appended.through, 10).records
    again = log.append([event(1), event(5)])
    assert again.accepted == 2 or again.through is None  # a log may not know duplicates


def test_a_batch_is_bounded_in_bytes(log: EventLog) -> None:
    """10,000 valid items of 250 KB would take 12 GB of memory."""
    records = large_items(40)
    log.append(records)
    sizes = [sum(len(to_json(one)) for one in batch) for batch in batches(log, limit=10_000)]
    assert max(sizes) <= BATCH_BYTES + MAX_RECORD_BYTES
    assert len(sizes) > 1
    assert [one.event_id for one in everything(log, limit=10_000)] == [
        one.event_id for one in records
    ]


def large_items(number: int) -> list[Item]:
    """Return items of about the largest valid size."""
    text = "x" * (MAX_RECORD_BYTES - 1000)
    return [replace(item(one, f"i{one}"), text=text) for one in range(number)]


def newer(record: Record) -> bytes:
    """Return a record with an unknown field, as a newer release may write it."""
    return (to_json(record)[:-1] + ',"mood":"good"}').encode()


NOT_RECORDS = (
    *(
        b"",
        b"\xff\xfe",
        b"{",
        b"[1]",
        b'"text"',
        b"null",
        b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"kind":["event"]}',
    ),
    *(b'{"kind":"user"}', b'{"kind":"event"}', newer(event(7)), newer(item(8, "i"))),
    *(
        to_json(event(9)).replace('"u"', found).encode()
        for found in ("17.5", "null", '"\\ud800"', '"\\u0000"', '""')
    ),
    *(
        to_json(event(9)).replace("2026-01-01T", found).encode()
        for found in ("T", "2026-13-01T", "12026-01-01T")
    ),
    to_json(replace(event(9), rating=4.5)).replace("4.5", "NaN").encode(),
    to_json(item(9, "i")).replace("{}", '{"a":{}}').encode(),
    to_json(replace(item(9, "i"), text="x" * MAX_RECORD_BYTES)).encode(),
)


def test_an_invalid_entry_is_rejected_with_its_place(
    log: EventLog, back_end: str, url: str
) -> None:
    log.append([event(1)])
    foreign_entries.append_bodies(back_end, url, NOT_RECORDS)
    log.append([event(2)])
    found = list(all_batches(log))
    assert sorted(one.event_id for batch in found for one in batch.records) == [
        event(1).event_id,
        event(2).event_id,
    ]
    rejected = [one for batch in found for one in batch.rejected]
    assert len({one.source for one in rejected}) == len(rejected) == len(NOT_RECORDS)
    assert (
        sum(
            "mood" in one.reason and "unknown field" in one.reason and '"good"' in one.raw
            for one in rejected
        )
        == 2
    )
    assert all(one.reason and len(one.raw) <= MAX_RAW_BYTES for one in rejected)
    assert [one for batch in all_batches(log) for one in batch.rejected] == rejected, (
        "the same at every reading"
    )


def all_batches(log: EventLog) -> Iterator[Batch]:
    cursor = START
    while (batch := log.read(cursor, 4)).cursor != cursor:
        yield batch
        cursor = batch.cursor


def test_every_reader_skips_invalid_entries(
    log: EventLog, back_end: str, url: str, tmp_path: Path
) -> None:
    """One entry would otherwise stop collecting, the follower and the relay forever."""
    good = [event(1), event(2)]
    log.append(good[:1])
    foreign_entries.append_bodies(back_end, url, NOT_RECORDS)
    log.append(good[1:])
    house, letters = (
        open_house(tmp_path / "house", log=log),
        DeadLetters(tmp_path / "letters.jsonl"),
    )

    def look(batch: Batch) -> None:
        bury(letters, batch.rejected, at=START_AT)

    for num_rejected in (len(NOT_RECORDS), 0):
        collected = collect(log, house.journal, house.ledger, house.lease, show=look)
        assert collected.num_rejected == num_rejected
    assert house.records() == good
    assert len(letters.newest(1000)) == len(NOT_RECORDS)

    while follow_once(log, house.histories):
        pass
    assert house.histories.recent("u", 10) == tuple(good)

    target, rejected = RelayInto(open_log(f"sqlite:///{tmp_path}/target.db")), list[Rejected]()
    while relay_once(log, target, rejected.extend):
        pass
    assert everything(target.log) == good
    assert len(rejected) == len(NOT_RECORDS)


class RelayInto:
    """A log that stores another log's cursor, but not across a restart."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.append, self.append_lines = log.append, log.append_lines
        self.read, self.give_up = log.read, log.give_up
        self.backlog, self.trim = log.backlog, log.trim
        self._relayed = START

    def relay_cursor(self) -> Cursor:
        return self._relayed

    def relay(
        self, records: Sequence[LogRecord], *, before: Cursor, after: Cursor
    ) -> Appended | None:
        assert before == self._relayed
        self._relayed = after
        return self.log.append(records)
