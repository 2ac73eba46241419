"""Dropping, merging and sweeping segments while readers and other holders are active."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from cron.errors import LeaseLost
from cron.journal.compaction import NUM_MERGED, SMALL_RECORDS, drop_old, sweep
from cron.journal.journal import Journal
from cron.journal.segment_files import SegmentFiles, is_compacted
from cron.journal.segments import records_of, table_of
from cron.ledger import journal_rows, lease_row
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Range, Segment
from cron.ports import Cursor
from recommender.records.events import Item
from recommender.records.facts import Fact
from tests.component.house import House, accept, open_house
from tests.contracts.records import START_AT, event, fact, item

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def test_dropped_segments_leave_their_items_and_ids(house: House) -> None:
    accept(house, [item(1, "a"), item(1_000, "b"), event(3)])
    accept(house, [replace(item(2, "a"), title="New name"), event(4)])
    accept(house, [event(5)])
    dropped = house.journal.compact_and_drop(older_than=FAR, needed_from=6, lease=house.lease)
    assert dropped == 2
    assert house.journal.first_seq == house.journal.last_seq == 6
    left = house.records()
    assert [record.title for record in left if isinstance(record, Item)] == ["Item b", "New name"]
    assert left[-1] == event(5)
    counts = house.journal.count(1, 6)
    assert (counts.events, counts.items) == (1, 2)
    accepted = house.journal.accept(
        [event(3), event(4), item(1, "a"), event(6)], Cursor("9"), house.lease
    )
    assert (accepted.num_events, accepted.num_items, accepted.num_duplicates) == (1, 0, 3)


def test_dropped_segments_leave_the_newest_of_each_fact(house: House) -> None:
    """A withdrawal stays too: an older record of the same fact may still come."""
    accept(house, [fact(1, "a"), fact(2, "a", "bob"), fact(3, "a", relation="actor"), event(4)])
    accept(house, [fact(5, "a", withdrawn=True), fact(8, "b"), event(6)])
    accept(house, [event(7)])
    house.journal.compact_and_drop(older_than=FAR, needed_from=8, lease=house.lease)
    left = [record for record in house.records() if isinstance(record, Fact)]
    kept = [fact(2, "a", "bob"), fact(3, "a", relation="actor")]
    assert left == [*kept, fact(5, "a", withdrawn=True), fact(8, "b")]
    again = house.journal.accept([fact(1, "a")], Cursor("9"), house.lease)
    assert again.num_duplicates == 1


def test_dropping_again_compacts_the_compacted(house: House, tmp_path: Path) -> None:
    for number in range(1, 5):
        accept(house, [event(number), item(number, "a")])
        house.journal.compact_and_drop(
            older_than=FAR, needed_from=2 * number - 1, lease=house.lease
        )
    kept = journal_rows.segments(house.ledger)
    assert [is_compacted(segment) for segment in kept] == [True, False]
    assert sorted(house.artifacts.names()) == sorted(segment.name for segment in kept)
    again = open_house(tmp_path)
    assert (
        again.journal.accept(
            [event(number) for number in range(1, 6)], Cursor("9"), again.lease
        ).num_events
        == 1
    )


def test_dropping_one_by_one_writes_each_id_a_few_times(house: House, tmp_path: Path) -> None:
    """All ids ever accepted were written again at each drop."""
    num_segments, num_events = 64, 20
    for number in range(num_segments):
        accept(house, [event(num_events * number + one) for one in range(num_events)])
    files = CountingFiles(house.artifacts, tmp_path / "copies")
    for number in range(1, num_segments):
        assert (
            drop_old(
                house.ledger,
                files,
                older_than=FAR,
                needed_from=num_events * number + 1,
                lease=house.lease,
            )
            == 1
        )
    num_ids = num_events * (num_segments - 1)
    assert files.num_rows <= num_ids * (1 + math.log2(num_segments))
    assert len(journal_rows.segments(house.ledger)) <= math.log2(num_segments) + 1
    again = [event(number) for number in range(num_ids)]
    assert house.journal.accept(again, Cursor("9"), house.lease).num_duplicates == num_ids


class CountingFiles(SegmentFiles):
    """Files that count the rows written."""

    num_rows = 0

    def put(
        self, table: pa.Table, *, covers: Range, lease: Lease, compacted: bool = False
    ) -> Segment:
        """Count, and write."""
        self.num_rows += table.num_rows
        return super().put(table, covers=covers, lease=lease, compacted=compacted)


def test_replaced_item_records_do_not_accumulate(house: House) -> None:
    accept(
        house,
        [
            *(event(number) for number in range(1_000)),
            *(item(number, f"item {number % 10}") for number in range(2_000, 2_020)),
        ],
    )
    renamed = [
        replace(item(3_000 + number, f"item {number}"), title="New name") for number in range(10)
    ]
    accept(house, renamed)
    accept(house, [event(1_001)])
    assert house.journal.compact_and_drop(older_than=FAR, needed_from=1_021, lease=house.lease) == 1
    assert house.journal.compact_and_drop(older_than=FAR, needed_from=1_031, lease=house.lease) == 1
    assert [segment.num_items for segment in journal_rows.segments(house.ledger)] == [0, 10, 0]
    assert house.records() == [*renamed, event(1_001)]
    assert (
        house.journal.accept([item(2_015, "item 5")], Cursor("9"), house.lease).num_duplicates == 1
    )


def test_copies_of_segments_that_another_host_merged_are_deleted(
    house: House, tmp_path: Path
) -> None:
    for number in range(NUM_MERGED):
        accept(house, [event(number)])
    second, copies = (
        Journal(house.ledger, house.artifacts, tmp_path / "second"),
        tmp_path / "second" / "segments",
    )
    second.read(1, NUM_MERGED)
    (copies / ".unfinished-17").touch()
    house.journal.merge_small(house.lease)
    second.read(1, NUM_MERGED)
    second.delete_stale_copies()
    assert len(list(copies.iterdir())) == NUM_MERGED + 2, (
        "another thread may be reading what is new"
    )
    for path in copies.iterdir():
        os.utime(path, (0, 0))
    second.delete_stale_copies()
    assert [path.name for path in copies.iterdir()] == [
        journal_rows.segments(house.ledger)[0].name.removeprefix("journal/")
    ]


def test_small_segments_merge_while_a_reader_reads(house: House, tmp_path: Path) -> None:
    large = [event(number) for number in range(SMALL_RECORDS + 1)]
    small = [event(100_000 + number) for number in range(NUM_MERGED)]
    accept(house, large)
    for one in small:
        accept(house, [one])
    reader = Journal(MergingLedger(house), house.artifacts, tmp_path / "reader")
    assert records_of(reader.read(1, house.journal.last_seq)) == [*large, *small]
    assert [segment.last_seq for segment in journal_rows.segments(house.ledger)] == [
        len(large),
        len(large) + len(small),
    ]
    assert house.journal.count(len(large), len(large) + 9).events == 10
    assert sorted(house.artifacts.names()) == sorted(
        segment.name for segment in journal_rows.segments(house.ledger)
    )
    again = open_house(tmp_path)
    assert again.journal.accept([*small, *large], Cursor("9"), again.lease).num_duplicates == len(
        large
    ) + len(small)


def test_small_segments_between_large_ones_become_one_each(house: House, tmp_path: Path) -> None:
    """A shop with quiet hours and one large delivery a day never has NUM_MERGED in a row."""
    large, num_small, num_days = SMALL_RECORDS + 1, NUM_MERGED // 2, 3
    for day in range(num_days):
        for number in range(num_small):
            accept(house, [event(100_000 * day + number)])
            house.journal.merge_small(house.lease)
        accept(house, [event(100_000 * day + 50_000 + number) for number in range(large)])
        house.journal.merge_small(house.lease)
    sizes = [one.last_seq - one.first_seq + 1 for one in journal_rows.segments(house.ledger)]
    assert sizes == [num_small, large, num_small, large, *[1] * num_small, large], (
        "the third day's are too few yet"
    )
    assert house.journal.merge_small(house.lease) == 0
    numbers = house.journal.read(1, house.journal.last_seq, columns=["seq"])["seq"].to_pylist()
    assert numbers == list(range(1, num_days * (num_small + large) + 1))
    assert sorted(house.artifacts.names()) == sorted(
        segment.name for segment in journal_rows.segments(house.ledger)
    )


def test_compacted_and_lone_small_segments_are_left_alone(house: House) -> None:
    for number in range(NUM_MERGED):
        accept(house, [event(number)])
    assert house.journal.compact_and_drop(older_than=FAR, needed_from=2, lease=house.lease) == 1
    assert house.journal.merge_small(house.lease) == 0, (
        "one fewer are left beside the compacted one"
    )
    accept(house, [event(1_000)])
    assert house.journal.merge_small(house.lease) == NUM_MERGED
    assert [is_compacted(segment) for segment in journal_rows.segments(house.ledger)] == [
        True,
        False,
    ]


def test_only_an_earlier_holders_segment_is_swept(house: House, tmp_path: Path) -> None:
    accept(house, [event(1)])
    files = SegmentFiles(house.artifacts, tmp_path / "other worker")
    later = replace(house.lease, token=house.lease.token + 1)
    table = table_of([event(2)], first_seq=2)
    stray, upcoming = (
        files.put(table, covers=(2, 2), lease=lease) for lease in (house.lease, later)
    )
    sweep(house.ledger, files, lease=house.lease)
    assert stray.name in house.artifacts.names(), "its record is in no other segment yet"
    accept(house, [event(3)])
    assert stray.name != upcoming.name
    sweep(house.ledger, files, lease=house.lease)
    assert upcoming.name in house.artifacts.names()
    assert stray.name not in house.artifacts.names()


def test_a_holder_that_lost_its_lease_sweeps_nothing(house: House, tmp_path: Path) -> None:
    accept(house, [event(1)])
    files = SegmentFiles(house.artifacts, tmp_path / "other worker")
    files.put(table_of([event(2)], first_seq=2), covers=(2, 2), lease=house.lease)
    take_over(house)
    with pytest.raises(LeaseLost):
        sweep(house.ledger, files, lease=house.lease)
    assert len(house.artifacts.names()) == 2


def test_a_holder_paused_in_a_sweep_deletes_nothing_newer(house: House, tmp_path: Path) -> None:
    """The successor merges the same rows to the same bytes as a file about to be swept."""
    small = [event(number) for number in range(NUM_MERGED)]
    for one in small:
        accept(house, [one])
    rows = house.journal.read(1, NUM_MERGED)
    files = PausedFiles(house.artifacts, tmp_path / "paused")
    stray = files.put(rows, covers=(1, NUM_MERGED), lease=house.lease)

    def successor_merges() -> None:
        lease = take_over(house)
        assert (
            Journal(house.ledger, house.artifacts, tmp_path / "successor").merge_small(lease)
            == NUM_MERGED
        )

    files.meanwhile = successor_merges
    sweep(house.ledger, files, lease=house.lease)
    assert [segment.sha256 for segment in journal_rows.segments(house.ledger)] == [stray.sha256]
    assert (
        records_of(Journal(house.ledger, house.artifacts, tmp_path / "reader").read(1, NUM_MERGED))
        == small
    )


class PausedFiles(SegmentFiles):
    """Files whose holder is paused right before it deletes; `meanwhile` happens then."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def delete(self, names: Collection[str]) -> None:
        """Wake up too late."""
        self.meanwhile()
        super().delete(names)


def take_over(house: House) -> Lease:
    """Let another worker have the lease."""
    lease_row.release(house.ledger, house.lease)
    lease = lease_row.acquire(house.ledger, "another", 60, house.ledger.now())
    assert lease is not None
    return lease


def test_a_few_small_segments_stay(house: House) -> None:
    for number in range(3):
        accept(house, [event(number)])
    assert house.journal.merge_small(house.lease) == 0
    assert len(journal_rows.segments(house.ledger)) == 3


class MergingLedger(Ledger):
    """A ledger whose segments are merged right after each reading transaction."""

    def __init__(self, house: House) -> None:
        super().__init__(house.ledger.engine)
        self._house = house

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Read, then merge."""
        with super().read() as connection:
            yield connection
        self._house.journal.merge_small(self._house.lease)


def test_only_what_is_old_and_not_needed_is_dropped(house: House) -> None:
    for number in range(1, 4):
        accept(house, [event(number)])
    at = START_AT + timedelta(seconds=2)
    assert house.journal.compact_and_drop(older_than=at, needed_from=100, lease=house.lease) == 1
    assert house.journal.compact_and_drop(older_than=FAR, needed_from=2, lease=house.lease) == 0
    assert house.journal.first_seq == 2


def test_newer_items_do_not_keep_old_events(house: House) -> None:
    """A shop ingests its items today and then the events of years."""
    accept(house, [ingested_later("a")])
    accept(house, [event(1), ingested_later("b")])
    accept(house, [ingested_later("c")])
    accept(house, [event(2)])
    at = START_AT + timedelta(seconds=2)
    assert house.journal.compact_and_drop(older_than=at, needed_from=100, lease=house.lease) == 2
    assert house.journal.first_seq == 4, "items alone stay until old events come after them"
    assert house.records() == [*map(ingested_later, "abc"), event(2)]
    assert house.journal.compact_and_drop(older_than=FAR, needed_from=5, lease=house.lease) == 1
    assert house.journal.compact_and_drop(older_than=FAR, needed_from=6, lease=house.lease) == 1
    assert house.records() == [*map(ingested_later, "abc")]


def test_a_recent_event_keeps_the_older_ones_after_it(house: House) -> None:
    accept(house, [event(1)])
    accept(house, [event(500), ingested_later("a")])
    accept(house, [event(2)])
    at = START_AT + timedelta(seconds=400)
    assert house.journal.compact_and_drop(older_than=at, needed_from=100, lease=house.lease) == 1
    assert house.records() == [event(500), ingested_later("a"), event(2)]


def ingested_later(item_id: str) -> Item:
    """Return an item that was ingested long after the events."""
    return item(1_000_000 + ord(item_id), item_id)
