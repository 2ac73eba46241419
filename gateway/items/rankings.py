"""Lists that need no user: popular, trending and new items."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from cron.item_counts import ALL_ITEMS, buckets_of, usual_buckets
from cron.known_item import KnownItem
from cron.ports import ItemRecords
from gateway.bodies.item_lists import NewItem, PopularItemAnswer, TrendingItem
from gateway.items.fact_filter import matching_ids
from gateway.items.matching import ItemFilter
from gateway.items.trends import trend_score

MAX_COUNTED = 20_000  # items with most events of a window that can be in a list
READ_AT_ONCE = 1_000
MAX_AGE_S = 60.0  # of a counted ranking: counting the largest windows takes a second
MAX_KEPT = 8  # rankings; each may take 3 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedItem:
    """An item's events in a window, and its score in a list."""

    item_id: str
    num: int
    score: float
    expected: float


class _KeptRanking:
    """A ranking that is counted when it is first asked for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counted: Sequence[CountedItem] | None = None
        self.made_at = float("inf")  # while it is being counted, it is not old


class ItemRankings:
    """Rankings of items by their recent events. Threads may share it."""

    def __init__(
        self, item_records: ItemRecords, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._item_records = item_records
        self._clock = clock
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._kept: dict[tuple[str, timedelta], _KeptRanking] = {}

    def popular(self, window: timedelta, wanted: ItemFilter, k: int) -> list[PopularItemAnswer]:
        """Return the k items with most events in the window that ends now."""
        counted = self._ranking("popular", window, self._count)
        return [
            PopularItemAnswer(id=one.item_id, title=item.record.title, events=one.num)
            for one, item in islice(self._visible(counted, wanted), k)
        ]

    def trending(self, window: timedelta, wanted: ItemFilter, k: int) -> list[TrendingItem]:
        """Return the k items whose share of events grew most unusually in the window."""
        counted = self._ranking("trending", window, self._compare)
        return [
            TrendingItem(
                id=one.item_id,
                title=item.record.title,
                score=round(one.score, 6),
                events=one.num,
                expected=round(one.expected, 3),
            )
            for one, item in islice(self._visible(counted, wanted), k)
        ]

    def newest(self, wanted: ItemFilter, k: int) -> list[NewItem]:
        """Return the k items whose first record is newest, of the newest MAX_COUNTED."""
        found = self._newest_matching(wanted)
        return [
            NewItem(
                id=item.record.item_id,
                title=item.record.title,
                first_at=item.first_at.isoformat(),
            )
            for item in islice(found, k)
        ]

    def _ranking(
        self, name: str, window: timedelta, rank: Callable[[timedelta], Sequence[CountedItem]]
    ) -> Sequence[CountedItem]:
        """Return a ranking that is at most MAX_AGE_S old; who asks for the same one waits.

        One ranking is counted at a time, since the embedded store reads over one connection, where
        other calls wait two seconds at most. Rankings that are counted are answered meanwhile.
        """
        ranking = self._place(name, window)
        with ranking.lock:
            if ranking.counted is None:
                with self._counting:
                    ranking.counted = rank(window)
                ranking.made_at = self._clock()
            return ranking.counted

    def _place(self, name: str, window: timedelta) -> _KeptRanking:
        """Return the kept ranking or a new one; forget old ones, and those least lately used."""
        with self._lock:
            oldest = self._clock() - MAX_AGE_S
            self._kept = {key: one for key, one in self._kept.items() if one.made_at >= oldest}
            ranking = self._kept.pop((name, window), None) or _KeptRanking()
            self._kept[name, window] = ranking
            if len(self._kept) > MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            return ranking

    def _count(self, window: timedelta) -> Sequence[CountedItem]:
        buckets = buckets_of(window, now=datetime.now(UTC))
        most = self._item_records.most_counted(buckets, limit=MAX_COUNTED)
        return [
            CountedItem(item_id=item_id, num=num, score=float(num), expected=0.0)
            for item_id, num in most
        ]

    def _compare(self, window: timedelta) -> Sequence[CountedItem]:
        now = datetime.now(UTC)
        buckets, before = buckets_of(window, now=now), usual_buckets(window, now=now)
        most = self._item_records.most_counted(buckets, limit=MAX_COUNTED)
        nums_before = self._item_records.sums([item_id for item_id, _ in most], before)
        total = self._item_records.sums([ALL_ITEMS], buckets).get(ALL_ITEMS, 0)
        total_before = self._item_records.sums([ALL_ITEMS], before).get(ALL_ITEMS, 0)
        found = []
        for item_id, num in most:
            num_before = nums_before.get(item_id, 0)
            score = trend_score(num, total, num_before, total_before)
            if score > 0:
                expected = total * num_before / total_before
                found.append(CountedItem(item_id=item_id, num=num, score=score, expected=expected))
        return sorted(found, key=lambda one: (-one.score, one.item_id))

    def _visible(
        self, counted: Sequence[CountedItem], wanted: ItemFilter
    ) -> Iterator[tuple[CountedItem, KnownItem]]:
        """Yield the items that have a record, are not hidden and match, in the same order."""
        for start in range(0, len(counted), READ_AT_ONCE):
            part = counted[start : start + READ_AT_ONCE]
            known = self._item_records.find([one.item_id for one in part])
            visible = [item for item in known.values() if not item.record.hidden]
            matching = matching_ids(wanted, visible, self._item_records)
            for one in part:
                if one.item_id in matching:
                    yield one, known[one.item_id]

    def _newest_matching(self, wanted: ItemFilter) -> Iterator[KnownItem]:
        """Yield those of the newest MAX_COUNTED items that are not hidden and match."""
        before: tuple[datetime, str] | None = None
        for _ in range(0, MAX_COUNTED, READ_AT_ONCE):
            items = self._item_records.newest(before=before, limit=READ_AT_ONCE)
            if not items:
                return
            visible = [item for item in items if not item.record.hidden]
            matching = matching_ids(wanted, visible, self._item_records)
            yield from (item for item in visible if item.record.item_id in matching)
            before = (items[-1].first_at, items[-1].record.item_id)
