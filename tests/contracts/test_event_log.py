"""The EventLog port, on every back end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cron.backends.sqlite.events import TRIM_BATCH, SqliteEventLog
from cron.errors import LogGap, Unavailable
from cron.ports import START, Cursor, EventLog
from cron.wiring import open_log
from recommender.records.events import MAX_RECORD_BYTES, Event, Item, Record, to_json
from tests.contracts.records import (
    DETAILS,
    LIMIT_S,
    START_AT,
    event,
    event_lines,
    item,
    start_process,
    wait_for_end,
)
from tests.servers import Servers, unique

EMBEDDED: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/events.db"
}
ON_SERVERS: dict[str, Callable[[Servers], str]] = {
    "redis": lambda servers: f"redis://127.0.0.1:{servers.redis.port}/0?stream={unique()}",
    "kafka": lambda servers: servers.kafka_log(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What the port leaves open; with the defaults a log supports all of it."""

    tells_duplicates: bool = True  # otherwise only the journal does
    # otherwise records of one user, or of one item, keep their order, and others may pass them
    keeps_one_line: bool = True
    # a writer that is killed in mid-call leaves all of the call's records, or none
    keeps_calls_whole: bool = True
    # after a trim START is the earliest record that is left; otherwise it is a gap
    starts_at_the_earliest: bool = False


TRAITS = {
    "kafka": Traits(
        tells_duplicates=False,
        keeps_one_line=False,
        keeps_calls_whole=False,
        starts_at_the_earliest=True,
    )
}
APPEND_MANY = """
import sys
from cron.wiring import open_log
from tests.contracts.records import event
log = open_log(sys.argv[1])
first = int(sys.argv[2])
for number in range(first, first + 1000, 20):
    log.append([event(one) for one in range(number, number + 20)])
"""


@pytest.fixture
def log(url: str) -> EventLog:
    return open_log(url)


@pytest.fixture
def traits(back_end: str) -> Traits:
    return TRAITS.get(back_end, Traits())


def another_url(back_end: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the URL of another new log of the back end."""
    if back_end in EMBEDDED:
        return EMBEDDED[back_end](tmp_path / "another")
    return ON_SERVERS[back_end](request.getfixturevalue("servers"))


def comparable(records: Iterable[Record], traits: Traits) -> list[Record]:
    """Return the records in an order that is equal for two lists in the promised order."""
    return (
        list(records)
        if traits.keeps_one_line
        else sorted(records, key=lambda one: one.user_id if isinstance(one, Event) else "")
    )


def everything(log: EventLog, *, after: Cursor = START, limit: int = 1000) -> list[Record]:
    return [record for batch in batches(log, after=after, limit=limit) for record in batch]


def batches(log: EventLog, *, after: Cursor = START, limit: int) -> Iterator[list[Record]]:
    cursor = after
    while (batch := log.read(cursor, limit)).records:
        yield list(batch.records)
        assert batch.cursor != cursor
        cursor = batch.cursor


def cursor_at_end(log: EventLog) -> Cursor:
    cursor = START
    while (batch := log.read(cursor, 1000)).records:
        cursor = batch.cursor
    return cursor


def test_records_come_back_equal_and_in_order(log: EventLog, traits: Traits) -> None:
    records: list[Record] = [
        event(2),
        item(1, "i", attributes={"genre": ("a", "b"), "year": 1995.0}),
        event(3, user_id="ü🎬 '\"\\", item_id="日本"),
        replace(event(4), rating=3.5),
        replace(event(5), details=DETAILS),
    ]
    assert log.append(records).accepted == 5
    assert comparable(everything(log), traits) == comparable(records, traits)


def test_an_empty_log_and_an_empty_append(log: EventLog) -> None:
    assert log.append([]).accepted == 0
    batch = log.read(START, 10)
    assert batch.records == ()
    assert batch.cursor == START
    assert log.backlog(START) == 0


def test_a_read_ends_at_its_limit_and_resumes_at_its_cursor(log: EventLog) -> None:
    records = [event(number) for number in range(25)]
    log.append(records)
    assert [len(batch) for batch in batches(log, limit=10)] == [10, 10, 5]
    assert everything(log, limit=7) == records
    end = cursor_at_end(log)
    assert log.read(end, 10).cursor == end
    log.append([event(99)])
    assert log.read(end, 10).records == (event(99),)


def test_a_repeat_is_a_duplicate_and_not_stored_again(log: EventLog, traits: Traits) -> None:
    log.append([event(1), event(2)])
    repeat = [event(3), event(2), event(3), replace(event(1), user_id="another")]
    appended = log.append(repeat)
    if traits.tells_duplicates:
        assert (appended.accepted, appended.duplicates) == (1, (1, 2, 3))
        assert everything(log) == [event(1), event(2), event(3)]
    else:  # said of none, since the journal will
        assert (appended.accepted, appended.duplicates) == (4, ())
        assert comparable(everything(log), traits) == comparable(
            [event(1), event(2), *repeat], traits
        )


def test_serialised_events_are_stored_like_others(log: EventLog, traits: Traits) -> None:
    log.append([event(0), event(2)])
    appended = log.append_lines(event_lines([1, 2, 3, 1]))
    if traits.tells_duplicates:
        assert (appended.accepted, appended.duplicates) == (2, (1, 3))
        assert log.read(START, 99).records == tuple(event(number) for number in (0, 2, 1, 3))
    assert {*log.read(START, 99).records} == {event(number) for number in range(4)}
    assert log.append_lines(event_lines([])).accepted == 0


def test_an_item_and_an_event_share_the_ids(log: EventLog, traits: Traits) -> None:
    log.append([event(1)])
    assert log.append([replace(item(1, "i"), event_id="e000001")]).duplicates == (
        (0,) if traits.tells_duplicates else ()
    )


def test_the_backlog_counts_what_is_after_a_cursor(log: EventLog) -> None:
    log.append([event(number) for number in range(30)])
    assert log.backlog(START) == 30
    assert log.backlog(log.read(START, 12).cursor) == 18
    assert log.backlog(cursor_at_end(log)) == 0


def test_fifty_thousand_records_in_one_append(log: EventLog, traits: Traits) -> None:
    records = [event(number, user_id=f"u{number % 997}") for number in range(50_000)]
    assert log.append(records).accepted == 50_000
    assert comparable(everything(log, limit=20_000), traits) == comparable(records, traits)
    assert log.append(records[:10]).accepted == (0 if traits.tells_duplicates else 10)


def test_the_largest_record(log: EventLog) -> None:
    empty = Item(event_id="large", item_id="i", title="T", at=START_AT, text="")
    large = replace(empty, text="ü" * ((MAX_RECORD_BYTES - len(to_json(empty).encode())) // 2))
    assert MAX_RECORD_BYTES - 2 < len(to_json(large).encode()) <= MAX_RECORD_BYTES
    log.append([large])
    assert everything(log) == [large]


def test_a_reopened_log_has_the_same_records(log: EventLog, url: str, traits: Traits) -> None:
    log.append([event(1), event(2)])
    cursor = log.read(START, 1).cursor
    again = open_log(url)
    assert again.read(cursor, 10).records == (event(2),)
    assert again.append([event(1)]).duplicates == ((0,) if traits.tells_duplicates else ())


def test_a_trim_deletes_only_earlier_records(log: EventLog) -> None:
    log.append([event(number) for number in range(10)])
    cursor = log.read(START, 6).cursor
    log.trim(cursor)
    assert log.backlog(START) == 4
    assert log.read(cursor, 10).records == tuple(event(number) for number in range(6, 10))
    log.trim(cursor)  # again is fine
    assert log.read(cursor, 10).records != ()


def test_a_trim_keeps_what_any_reader_needs(log: EventLog) -> None:
    log.append([event(number) for number in range(10)])
    slow, fast = log.read(START, 3).cursor, log.read(START, 6).cursor
    log.trim(fast, START)
    assert log.backlog(START) == 10
    log.trim(fast, slow)
    assert log.read(slow, 10).records == tuple(event(number) for number in range(3, 10))
    assert log.backlog(START) == 7


def test_a_trim_respects_readers_ahead_in_different_partitions(log: EventLog) -> None:
    """Each of two readers may be ahead of the other, in different partitions."""
    records = [event(number, user_id=f"u{number}") for number in range(100)]
    log.append(records)
    cursors = [log.read(START, 100).cursor]
    log.append([event(number, user_id=f"u{number}") for number in range(100, 200)])
    cursors += [log.read(cursors[0], limit).cursor for limit in (30, 60)]
    for cursor in cursors:
        log.trim(*cursors)
        assert len(everything(log, after=cursor)) == log.backlog(cursor)
    assert log.backlog(START) == 100


def test_a_reader_behind_a_trim_gets_a_gap(log: EventLog, traits: Traits) -> None:
    log.append([event(number) for number in range(10)])
    behind, ahead = log.read(START, 3).cursor, log.read(START, 6).cursor
    log.trim(ahead)
    with pytest.raises(LogGap, match="records after cursor"):
        log.read(behind, 10)
    if traits.starts_at_the_earliest:
        assert log.read(START, 10).records == tuple(event(number) for number in range(6, 10))
    else:
        with pytest.raises(LogGap, match="records after cursor"):
            log.read(START, 10)


def test_a_gap_is_reported_even_when_nothing_is_left(log: EventLog, url: str) -> None:
    log.append([event(1), event(2)])
    first = log.read(START, 1).cursor
    log.trim(cursor_at_end(log))
    for opened in (log, open_log(url)):
        with pytest.raises(LogGap):
            opened.read(first, 10)


def test_after_a_gap_a_reader_resumes_where_the_log_says(log: EventLog) -> None:
    log.append([event(number) for number in range(10)])
    behind, ahead = log.read(START, 3).cursor, log.read(START, 6).cursor
    log.trim(ahead)
    assert log.give_up(ahead) == ahead, "nothing after it is gone"
    for lost in (behind, START):
        assert everything(log, after=log.give_up(lost)) == [
            event(number) for number in range(6, 10)
        ]
    log.trim(log.read(ahead, 10).cursor)
    goes_on = log.give_up(behind)
    assert log.read(goes_on, 10).records == ()
    assert log.backlog(goes_on) == 0
    log.append([event(10)])
    assert everything(log, after=goes_on) == [event(10)]


def test_a_trim_that_trimmed_nothing_makes_no_gap(log: EventLog) -> None:
    log.trim(START)
    log.append([event(1)])
    log.trim(START)
    assert everything(log) == [event(1)]


def test_positions_are_never_used_again_after_a_trim(log: EventLog, url: str) -> None:
    log.append([event(1), event(2)])
    end = cursor_at_end(log)
    log.trim(end)
    again = open_log(url)
    again.append([event(3)])
    assert again.read(end, 10).records == (event(3),)


def test_a_trimmed_id_is_accepted_again(log: EventLog) -> None:
    log.append([event(1)])
    end = cursor_at_end(log)
    log.trim(end)
    assert log.append([event(1)]).accepted == 1
    assert log.read(end, 10).records == (event(1),)


def test_the_cursor_of_another_log_is_a_gap(
    log: EventLog, back_end: str, traits: Traits, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    log.append([event(1), event(2)])
    old = log.read(START, 1).cursor
    other = open_log(another_url(back_end, tmp_path, request))
    other.append([event(5), event(6), event(7)])
    with pytest.raises(LogGap):
        other.read(old, 10)
    other.trim(old)  # not ours: nothing
    assert len(everything(other)) == 3
    assert len(everything(other, after=other.give_up(old))) == 3


def test_threads_append_while_one_reads(log: EventLog) -> None:
    num_threads, num_each = 4, 200

    def append(first: int) -> None:
        for number in range(first, first + num_each, 10):
            log.append([event(one) for one in range(number, number + 10)])

    threads = [
        threading.Thread(target=append, args=(index * num_each,)) for index in range(num_threads)
    ]
    for thread in threads:
        thread.start()
    seen: list[Record] = []
    cursor = START
    while len(seen) < num_threads * num_each:
        batch = log.read(cursor, 50)
        seen += batch.records
        cursor = batch.cursor
    for thread in threads:
        thread.join(LIMIT_S)
    assert sorted(record.event_id for record in seen) == [
        event(number).event_id for number in range(num_threads * num_each)
    ]


def test_processes_append_the_same_records_while_we_read(
    log: EventLog, url: str, traits: Traits
) -> None:
    writers = [
        start_process(APPEND_MANY, url, first) for first in ("0", "500")
    ]  # half of each is the other's too
    seen: list[Record] = []
    cursor = START
    while len(seen) < (1500 if traits.tells_duplicates else 2000):
        assert all(writer.poll() in (None, 0) for writer in writers)
        batch = log.read(cursor, 100)
        seen += batch.records
        cursor = batch.cursor
    for writer in writers:
        wait_for_end(writer)
    assert log.read(cursor, 10).records == ()
    assert sorted({record.event_id for record in seen}) == [
        event(number).event_id for number in range(1500)
    ]


def test_a_writer_that_is_killed_leaves_whole_batches(
    log: EventLog, url: str, traits: Traits
) -> None:
    writer = start_process(APPEND_MANY, url, "0")
    while log.backlog(START) < 100:
        assert writer.poll() is None
    writer.kill()
    writer.communicate(timeout=LIMIT_S)
    left = everything(log)
    assert len(left) % 20 == 0 or not traits.keeps_calls_whole
    assert left == [event(number) for number in range(len(left))]
    assert log.append([event(5000)]).accepted == 1


def test_a_long_trim_of_a_file_lets_writers_in_between(tmp_path: Path) -> None:
    """The gateway waits up to half a minute for the file, and then refuses events."""
    gateway, num_records = SqliteEventLog(tmp_path / "events.db"), 4 * TRIM_BATCH
    left: list[int] = []

    def write(pause_s: float) -> None:
        assert pause_s >= 0.1  # SQLite's longest between two tries for a lock
        left.append(gateway.backlog(START))
        assert gateway.append([event(num_records + len(left))]).accepted == 1

    gateway.append([event(number) for number in range(num_records)])
    SqliteEventLog(tmp_path / "events.db", pause=write).trim(end := cursor_at_end(gateway))
    assert left == [3 * TRIM_BATCH, 2 * TRIM_BATCH + 1, TRIM_BATCH + 2]
    assert everything(gateway, after=end) == [event(num_records + one) for one in (1, 2, 3)]
    assert gateway.backlog(START) == 3


def test_a_log_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable, match="the event log at"):
        open_log(f"sqlite:///{tmp_path}/file/events.db")
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable, match="not a database"):
        open_log(f"sqlite:///{tmp_path}/broken.db")
