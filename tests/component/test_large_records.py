"""Backlogs of items of maximum size: memory depends on a batch, not on the backlog."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

from cron.journal.compaction import MERGED_BYTES, NUM_MERGED, SMALL_BYTES
from cron.journal.follow import follow_once, rebuild
from cron.ledger import journal_rows
from cron.lineage import Segment
from cron.ports import BATCH_BYTES, START, Cursor
from recommender.records.events import MAX_RECORD_BYTES, Item
from tests.component.house import House, accept
from tests.contracts.records import START_AT, item

TEXT = "x" * (MAX_RECORD_BYTES - 1000)
NUM_IN_A_BATCH = BATCH_BYTES // MAX_RECORD_BYTES


def large_items(first: int, number: int) -> list[Item]:
    return [replace(item(one, f"i{one}"), text=TEXT) for one in range(first, first + number)]


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def follow(house: House) -> None:
    while follow_once(house.log, house.histories):
        pass


def test_memory_does_not_grow_with_the_backlog(house: House) -> None:
    readers: list[Callable[[], object]] = [house.collect, lambda: follow(house)]
    house.log.append(large_items(0, NUM_IN_A_BATCH))
    small = [peak_bytes(reader) for reader in readers]
    house.log.append(large_items(1000, 4 * NUM_IN_A_BATCH))
    large = [peak_bytes(reader) for reader in readers]
    assert [more < 1.5 * less for less, more in zip(small, large, strict=True)] == [True, True]
    assert house.journal.last_seq == 5 * NUM_IN_A_BATCH
    assert (
        max(segment.size_bytes for segment in journal_rows.segments(house.ledger))
        < 1.5 * BATCH_BYTES
    )


def test_a_rebuild_holds_a_part_of_a_segment(house: House) -> None:
    house.journal.accept(
        large_items(0, 4 * NUM_IN_A_BATCH), START, house.lease
    )  # as one that was merged
    peak = peak_bytes(lambda: rebuild(house.journal, house.log, house.histories))
    assert peak < 4 * BATCH_BYTES


def test_merged_segments_end_where_their_bytes_do(house: House) -> None:
    in_each = MERGED_BYTES // NUM_MERGED // MAX_RECORD_BYTES + 1
    for number in range(NUM_MERGED):
        accept(house, large_items(number * in_each, in_each))
    assert house.journal.merge_small(house.lease) == NUM_MERGED
    sizes = [segment.size_bytes for segment in journal_rows.segments(house.ledger)]
    assert len(sizes) == 2
    assert max(sizes) <= MERGED_BYTES
    assert house.journal.count(1, house.journal.last_seq).items == NUM_MERGED * in_each


def test_a_segment_of_few_large_records_is_not_small(house: House) -> None:
    """Otherwise each collection would read them all again."""
    for seq in range(1, NUM_MERGED + 1):
        segment = Segment(
            name=f"journal/{seq}.parquet",
            sha256="0" * 64,
            first_seq=seq,
            last_seq=seq,
            num_events=0,
            num_items=1,
            last_at=START_AT,
            size_bytes=SMALL_BYTES,
        )
        journal_rows.commit_segment(house.ledger, segment, Cursor("1"), house.lease)
    assert house.journal.merge_small(house.lease) == 0
