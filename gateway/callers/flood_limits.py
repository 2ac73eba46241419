"""Limits on the events of one user and about one item that browser keys send."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from gateway.callers.token_buckets import TokenBuckets
from recommender.records.events import Event
from recommender.records.record_fields import InvalidRecord

# of 300 bytes each: 15 MB
MAX_USERS = MAX_ITEMS = 50_000

FloodLimit = Literal["user", "item"]


class FloodLimits:
    """Counts events by user and by item. A limit of None is none. Thread-safe.

    `on_refusal` is called with the limit of each refused event.
    """

    def __init__(
        self,
        *,
        user_events_min: float | None,
        item_events_min: float | None,
        on_refusal: Callable[[FloodLimit], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits: list[tuple[FloodLimit, float, TokenBuckets]] = []
        limits: list[tuple[FloodLimit, float | None, int]] = [
            ("user", user_events_min, MAX_USERS),
            ("item", item_events_min, MAX_ITEMS),
        ]
        for limit, most, max_buckets in limits:
            if most is not None:
                buckets = TokenBuckets(
                    rate_s=most / 60, burst=most, max_buckets=max_buckets, clock=clock
                )
                self._limits.append((limit, most, buckets))
        self._on_refusal = on_refusal

    def check(self, event: Event) -> None:
        """Count an event; raise InvalidRecord beyond a limit."""
        for limit, most, buckets in self._limits:
            if buckets.take(event.user_id if limit == "user" else event.item_id):
                self._on_refusal(limit)
                raise InvalidRecord(
                    f"{limit}_id",
                    problem=f"one {limit} in more than {most:g} events a minute",
                    expected="fewer; browser keys are limited",
                )
