"""The line before a part of the gateway: so many calls work at once, others wait, and who would wait too long is refused.

Knows how long calls take; does not know what they do. Without it every call is begun, all of them
get slower together, and in the end each one takes longer than its caller waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_NEWEST_SHARE = 0.1  # of the newest call in the moving average of how long calls work


class Overloaded(Exception):
    """Too much is under way, and this call was not begun: the sender may try again after `retry_after_s`."""

    def __init__(self, reason: str) -> None:
        self.retry_after_s = 1
        super().__init__(f"{reason}; try again in {self.retry_after_s} s")


class WaitingQueue:
    """First come, first served. Used in one event loop."""

    def __init__(self, *, at_once: int, max_wait_s: float) -> None:
        self._at_once = at_once
        self._max_wait_s = max_wait_s
        self._slots = asyncio.Semaphore(at_once)
        self._num_waiting = 0
        self._work_s = 0.0  # a moving average

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it; raise Overloaded at once where the wait would be too long, or when it was."""
        await self._wait()
        began = time.monotonic()
        try:
            yield
        finally:
            self._slots.release()
            self._work_s += _NEWEST_SHARE * (time.monotonic() - began - self._work_s)

    async def _wait(self) -> None:
        expected_s = self._work_s * (self._num_waiting + 1) / self._at_once
        if self._slots.locked() and expected_s > self._max_wait_s:
            raise self._overloaded()
        self._num_waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise self._overloaded() from error
        finally:
            self._num_waiting -= 1

    def _overloaded(self) -> Overloaded:
        return Overloaded(
            f"the gateway is overloaded: this call would have waited longer than {self._max_wait_s:g} s for its turn"
        )
