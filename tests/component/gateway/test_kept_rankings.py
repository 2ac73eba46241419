"""Which counted rankings a gateway keeps."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cron.backends.sqlite.item_records import SqliteItemRecords
from cron.item_counts import Bucket, count_events
from cron.ports import START, Cursor
from gateway.items.matching import item_filter
from gateway.items.rankings import MAX_AGE_S, MAX_KEPT, ItemRankings
from tests.contracts.records import event, item

HOUR = timedelta(hours=1)
ALL = item_filter({})
WAIT_S = 120.0


class CountedStore(SqliteItemRecords):
    """A store that notes how many buckets were counted, and can hold the counting up."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.nums: list[int] = []
        self.begun = threading.Event()
        self.may_count = threading.Event()
        self.may_count.set()

    def most_counted(self, buckets: Sequence[Bucket], *, limit: int) -> tuple[tuple[str, int], ...]:
        self.nums.append(len(buckets))
        self.begun.set()
        assert self.may_count.wait(WAIT_S)
        return super().most_counted(buckets, limit=limit)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CountedStore]:
    store = CountedStore(tmp_path / "items.db")
    now = datetime.now(UTC)
    film = item(1, "i")
    counts = count_events([event(1, at=now)], counts=lambda _: True, now=now)
    store.follow([film], counts, after=START, cursor=Cursor("1"))
    yield store
    store.close()


def test_a_ranking_is_counted_once(store: CountedStore) -> None:
    rankings = ItemRankings(store)
    lists = [rankings.popular(HOUR, ALL, 1) for _ in range(3)]
    assert [[one.id for one in found] for found in lists] == [["i"]] * 3
    assert len(store.nums) == 1


def test_an_old_ranking_is_forgotten(store: CountedStore) -> None:
    times = [0.0]
    rankings = ItemRankings(store, clock=lambda: times[-1])
    rankings.popular(HOUR, ALL, 1)
    times.append(MAX_AGE_S)
    rankings.popular(HOUR, ALL, 1)
    assert len(store.nums) == 1
    times.append(MAX_AGE_S + 1)
    rankings.popular(HOUR, ALL, 1)
    assert len(store.nums) == 2


def test_the_rankings_least_lately_used_are_forgotten(store: CountedStore) -> None:
    rankings = ItemRankings(store)
    for hours in range(1, MAX_KEPT + 1):
        rankings.popular(hours * HOUR, ALL, 1)
    rankings.popular(HOUR, ALL, 1)  # used again, so the second is the one to go
    rankings.popular((MAX_KEPT + 1) * HOUR, ALL, 1)
    assert len(store.nums) == MAX_KEPT + 1
    rankings.popular(HOUR, ALL, 1)
    assert len(store.nums) == MAX_KEPT + 1
    rankings.popular(2 * HOUR, ALL, 1)
    assert len(store.nums) == MAX_KEPT + 2


def test_a_counted_ranking_does_not_wait_for_another(store: CountedStore) -> None:
    rankings = ItemRankings(store)
    rankings.popular(HOUR, ALL, 1)
    store.begun.clear()
    store.may_count.clear()
    with ThreadPoolExecutor(2) as pool:
        counting = pool.submit(rankings.popular, 2 * HOUR, ALL, 1)
        assert store.begun.wait(WAIT_S)
        kept = pool.submit(rankings.popular, HOUR, ALL, 1)
        try:
            assert [one.id for one in kept.result(timeout=WAIT_S / 2)] == ["i"]
        finally:
            store.may_count.set()
        assert [one.id for one in counting.result()] == ["i"]
