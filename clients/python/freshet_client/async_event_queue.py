"""A queue of events that a task sends in batches: `event_queue` with `await`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Callable, Optional

from freshet_client.answers import Stored
from freshet_client.errors import QueueFull, Refused, Unavailable
from freshet_client.event_queue import NOT_SENT
from freshet_client.records import Event, record_line
from freshet_client.waiting_events import (
    OnUnsent,
    QueueLimits,
    WaitingEvents,
    log,
    report,
    report_rejected,
    unexpected_failure,
)

if TYPE_CHECKING:
    from typing_extensions import Self

LAST_S = 5.0  # to send what waits when the task is cancelled


class AsyncEventQueue:
    """Sends events in batches; `AsyncFreshet.event_queue` makes it, inside the running loop.

    While the gateway does not answer, events wait, and `put` raises QueueFull when there is no
    room. When the loop ends and cancels its tasks, as `asyncio.run` does, the queue first tries to
    send what waits.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Event]], Awaitable[Stored]],
        limits: QueueLimits,
        on_unsent: Optional[OnUnsent],
    ) -> None:
        self._send = send
        self._limits = limits
        self._on_unsent = on_unsent
        self._waiting = WaitingEvents(limits)
        self._changed = asyncio.Condition()
        self._is_closing = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def put(self, event: Event, *, timeout_s: float = 5.0) -> None:
        """Add an event; wait for room, and raise QueueFull after `timeout_s` without any."""
        record_line(event)  # a value that is not JSON fails here, not in the task
        async with self._changed:
            await self._wait(lambda: self._waiting.has_room or self._is_closing, timeout_s)
            if self._is_closing:
                raise ValueError("the queue is closed")
            if not self._waiting.has_room:
                raise QueueFull(self._limits.capacity, timeout_s)
            if self._waiting.add(event, time.monotonic()):
                self._changed.notify_all()

    async def flush(self, *, timeout_s: float = 30.0) -> bool:
        """Send what waits now; return whether all of it was settled in time."""
        async with self._changed:
            number = self._waiting.flush()
            self._changed.notify_all()
            await self._wait(lambda: self._waiting.is_settled(number), timeout_s)
            return self._waiting.is_settled(number)

    async def close(self, *, timeout_s: float = 5.0) -> None:
        """Send what waits, then stop; what could not be sent in time is reported."""
        self._is_closing = True
        await self.flush(timeout_s=timeout_s)
        report(self._waiting.remove_all(), NOT_SENT, self._on_unsent)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _wait(self, is_true: Callable[[], bool], timeout_s: Optional[float]) -> None:
        """Wait until something is true or the time is over; the condition must be held."""
        if not is_true():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait_for(is_true), timeout_s)

    async def _run(self) -> None:
        try:
            while True:
                await self._deliver(await self._next_batch())
        except asyncio.CancelledError:
            await self._send_the_rest()
            raise

    async def _deliver(self, batch: tuple[Event, ...]) -> None:
        try:
            stored = await self._send(batch)
        except Unavailable as error:
            log.warning("%d events wait to be sent again: %s", len(batch), error)
            await asyncio.sleep(max(self._limits.pause_s, error.retry_after_s))
            return
        except Refused as error:
            report(batch, error, self._on_unsent)
        except Exception as error:  # of the shop's own httpx client: the queue must go on
            report(batch, unexpected_failure(error), self._on_unsent)
        else:
            report_rejected(batch, stored, self._on_unsent)
        async with self._changed:
            self._waiting.settle(len(batch))
            self._changed.notify_all()

    async def _next_batch(self) -> tuple[Event, ...]:
        """Return the next batch when it is due."""
        async with self._changed:
            while (due_in_s := self._waiting.due_in_s(time.monotonic())) != 0:
                await self._wait_for_change(due_in_s)
            return self._waiting.batch()

    async def _wait_for_change(self, timeout_s: Optional[float]) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)

    async def _send_the_rest(self) -> None:
        """Send what waits while the loop still runs its cancelled tasks; report the others."""
        self._is_closing = True
        self._waiting.flush()
        try:
            await asyncio.wait_for(self._send_all(), LAST_S)
        except asyncio.TimeoutError:
            report(self._waiting.remove_all(), NOT_SENT, self._on_unsent)

    async def _send_all(self) -> None:
        while batch := self._waiting.batch():
            await self._deliver(batch)
