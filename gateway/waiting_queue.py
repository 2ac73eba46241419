"""A queue before a part of the gateway: a few calls work at once, the others wait.

A call that would wait too long is refused at once. Without the queue every call would be started,
all would slow down together, and each would take longer than its caller waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_NEWEST_SHARE = 0.1  # weight of the newest call in the moving average of working times


class Overloaded(Exception):
    """Too many calls are under way. This one was not started and may be sent again."""

    def __init__(self, reason: str) -> None:
        self.retry_after_s = 1
        super().__init__(f"{reason}; try again in {self.retry_after_s} s")


class WaitingQueue:
    """First come, first served. Used in one event loop."""

    def __init__(self, *, at_once: int, max_wait_s: float, work_s: float = 0.0) -> None:
        self._at_once = at_once
        self._max_wait_s = max_wait_s
        self._slots = asyncio.Semaphore(at_once)
        self._num_waiting = 0
        self._work_s = work_s  # how long a call works: a moving average

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it; raise Overloaded when the wait is, or would be, too long."""
        await self._wait()
        began = time.monotonic()
        try:
            yield
        finally:
            self._slots.release()
            self._work_s += _NEWEST_SHARE * (time.monotonic() - began - self._work_s)

    async def _wait(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()  # at once
            return
        expected_s = self._work_s * (self._num_waiting + 1) / self._at_once
        if expected_s > self._max_wait_s:
            raise self._refusal()
        self._num_waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise self._refusal() from error
        finally:
            self._num_waiting -= 1

    def _refusal(self) -> Overloaded:
        return Overloaded(
            "the gateway is overloaded: this call would have waited longer than "
            f"{self._max_wait_s:g} s for its turn"
        )
