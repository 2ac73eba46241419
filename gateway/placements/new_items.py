"""Bonuses for new items, by the times of their first records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.concurrency import run_in_threadpool

from cron.placement import Freshness
from cron.ports import ItemRecords

NUM_NEWEST = 1_000  # items that are new enough for a bonus; the endpoint takes no more
MAX_AGE_S = 60.0  # of what was read
MIN_SHARE = 0.01  # of the whole bonus; older items get nothing


class NewItems:
    """The times of the newest items' first records. For the event loop."""

    def __init__(
        self, item_records: ItemRecords, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._item_records = item_records
        self._clock = clock
        self._first_at: Mapping[str, datetime] = {}
        self._read_at: float | None = None

    async def bonuses(self, rule: Freshness, at: datetime) -> dict[str, float]:
        """Return the spreads of the newest items by id; items that came after `at` are left out."""
        now = self._clock()
        if self._read_at is None or now - self._read_at > MAX_AGE_S:
            self._read_at = now  # calls that come meanwhile use what was read before
            self._first_at = await run_in_threadpool(self._read)
        found: dict[str, float] = {}
        for item_id, first_at in self._first_at.items():
            age_s = (at - first_at).total_seconds()
            share = 0.5 ** (age_s / rule.half_life_s) if age_s >= 0 else 0.0
            if share >= MIN_SHARE:
                found[item_id] = rule.add * share
        return found

    def _read(self) -> dict[str, datetime]:
        newest = self._item_records.newest(before=None, limit=NUM_NEWEST)
        return {item.record.item_id: item.first_at for item in newest if not item.record.hidden}
