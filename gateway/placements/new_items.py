"""Bonuses for new items, by the times of their first records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from cron.placement import Freshness
from cron.ports import ItemRecords
from gateway.placements.kept_reading import KeptReading

NUM_NEWEST = 1_000  # items that are new enough for a bonus; the endpoint takes no more
MIN_SHARE = 0.01  # of the whole bonus; older items get nothing


class NewItems:
    """The times of the newest items' first records. For the event loop."""

    def __init__(
        self, item_records: ItemRecords, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._item_records = item_records
        self._first_at = KeptReading[Mapping[str, datetime]](
            self._read_first_times, unread={}, clock=clock
        )

    async def bonuses(self, rule: Freshness, at: datetime) -> dict[str, float]:
        """Return the spreads of the newest items by id; items that came after `at` are left out."""
        found: dict[str, float] = {}
        for item_id, first_at in (await self._first_at.get()).items():
            age_s = (at - first_at).total_seconds()
            share = 0.5 ** (age_s / rule.half_life_s) if age_s >= 0 else 0.0
            if share >= MIN_SHARE:
                found[item_id] = rule.add * share
        return found

    def _read_first_times(self) -> dict[str, datetime]:
        newest = self._item_records.newest(before=None, limit=NUM_NEWEST)
        return {item.record.item_id: item.first_at for item in newest if not item.record.hidden}
