"""New items: bonuses by the times of their first records, and which are still to be shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cron.item_counts import buckets_of, impression_buckets
from cron.placement import Freshness
from cron.placement_policy import MAX_DAYS, NewItemsBudget
from cron.ports import ItemRecords
from gateway.placements.kept_reading import KeptReading

NUM_NEWEST = 1_000  # items that are new enough for a bonus; the endpoint takes no more
MIN_SHARE = 0.01  # of the whole bonus; older items get nothing
_COUNTED = timedelta(days=MAX_DAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem:
    """A new item, and how many impressions and other events it has had."""

    first_at: datetime
    num_events: int


def _utc_now() -> datetime:
    return datetime.now(UTC)


class NewItems:
    """The newest items, as they were at most a minute ago. For the event loop."""

    def __init__(
        self,
        item_records: ItemRecords,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._item_records = item_records
        self._now = now
        self._first_at = KeptReading[Mapping[str, datetime]](
            self._read_first_times, unread={}, clock=clock
        )
        self._shown = KeptReading[Mapping[str, ShownItem]](self._read_shown, unread={}, clock=clock)

    async def bonuses(self, rule: Freshness, at: datetime) -> dict[str, float]:
        """Return the spreads of the newest items by id; items that came after `at` are left out."""
        found: dict[str, float] = {}
        for item_id, first_at in (await self._first_at.get()).items():
            age_s = (at - first_at).total_seconds()
            share = 0.5 ** (age_s / rule.half_life_s) if age_s >= 0 else 0.0
            if share >= MIN_SHARE:
                found[item_id] = rule.add * share
        return found

    async def still_unknown(self, budget: NewItemsBudget, at: datetime) -> dict[str, int]:
        """Return the events of a budget's items that are not known yet, the newest item first.

        Items that came after `at` are left out.
        """
        oldest = at - timedelta(days=budget.days)
        return {
            item_id: item.num_events
            for item_id, item in (await self._shown.get()).items()
            if oldest <= item.first_at <= at and item.num_events < budget.impressions
        }

    def _read_first_times(self) -> dict[str, datetime]:
        newest = self._item_records.newest(before=None, limit=NUM_NEWEST)
        return {item.record.item_id: item.first_at for item in newest if not item.record.hidden}

    def _read_shown(self) -> dict[str, ShownItem]:
        now = self._now()
        first_at = {
            item_id: at for item_id, at in self._read_first_times().items() if at >= now - _COUNTED
        }
        buckets = (*impression_buckets(_COUNTED, now=now), *buckets_of(_COUNTED, now=now))
        counts = self._item_records.sums([*first_at], buckets) if first_at else {}
        return {
            item_id: ShownItem(first_at=at, num_events=counts.get(item_id, 0))
            for item_id, at in first_at.items()
        }
