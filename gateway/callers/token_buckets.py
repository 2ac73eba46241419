"""Token buckets, one for each name: a burst at once, then a rate a second.

Names are unbounded (addresses, users), memory is not: beyond a number of buckets the one that was
used least recently is dropped. It has had the longest time to fill up again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class TokenBuckets:
    """Thread-safe. `clock` returns seconds and never goes back."""

    def __init__(
        self, *, rate_s: float, burst: float, max_buckets: int, clock: Callable[[], float]
    ) -> None:
        self._rate_s = rate_s
        self._burst = max(1.0, burst)  # fewer would never admit anything
        self._max_buckets = max_buckets
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str) -> float:
        """Take a token and return 0; without one, take nothing and return the seconds to wait."""
        with self._lock:
            now_s = self._clock()
            bucket = self._buckets.get(name)
            if bucket is None:
                bucket = self._buckets[name] = _Bucket(self._burst, now_s)
                if len(self._buckets) > self._max_buckets:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(name)
                bucket.tokens = min(
                    self._burst, bucket.tokens + (now_s - bucket.at_s) * self._rate_s
                )
                bucket.at_s = now_s
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                return 0.0
            return (1 - bucket.tokens) / self._rate_s
