"""A value of a store that is read again after a while, and kept while the store fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from cron.errors import Unavailable

MAX_AGE_S = 60.0
RETRY_S = 5.0  # after a failure, so that not every call waits for a store that is down
Value = TypeVar("Value")
log = logging.getLogger(__name__)


class KeptReading(Generic[Value]):
    """The value that a store had at most MAX_AGE_S ago. For the event loop.

    One call reads. The calls that come meanwhile get what was read before, and so do all calls
    while the store is unavailable: before the first reading that is `unread`.
    """

    def __init__(
        self,
        read: Callable[[], Value],
        *,
        unread: Value,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._value = unread
        self._clock = clock
        self._next_at: float | None = None  # None until the first reading
        self._is_reading = False

    async def get(self) -> Value:
        """Return the value; the calling task reads it when it is old."""
        is_old = self._next_at is None or self._clock() > self._next_at
        if is_old and not self._is_reading:
            self._is_reading = True
            try:
                self._value = await run_in_threadpool(self._read)
                self._next_at = self._clock() + MAX_AGE_S
            except Unavailable as error:
                self._next_at = self._clock() + RETRY_S
                log.warning("a store is not readable, keeping what was read", exc_info=error)
            finally:
                self._is_reading = False
        return self._value
