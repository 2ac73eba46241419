"""A queue of events that a thread sends in batches; `async_event_queue` has a task."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable, Optional

from freshet_client.answers import Stored
from freshet_client.errors import FreshetError, QueueFull, Refused, Unavailable
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

NOT_SENT = Unavailable("the queue was closed before the event was sent, or its answer came")


class EventQueue:
    """Sends events in batches; `Freshet.event_queue` makes it. Threads may share it.

    While the gateway does not answer, events wait, and `put` raises QueueFull when there is no
    room. The interpreter's exit closes it. A process that forks makes its queue after the fork.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Event]], Stored],
        limits: QueueLimits,
        on_unsent: Optional[OnUnsent],
    ) -> None:
        self._send = send
        self._limits = limits
        self._on_unsent = on_unsent
        self._waiting = WaitingEvents(limits)
        self._changed = threading.Condition()
        self._is_closing = self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="freshet events", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, event: Event, *, timeout_s: float = 5.0) -> None:
        """Add an event; wait for room, and raise QueueFull after `timeout_s` without any."""
        record_line(event)  # a value that is not JSON fails here, not in the thread
        with self._changed:
            self._changed.wait_for(lambda: self._waiting.has_room or self._is_closing, timeout_s)
            if self._is_closing:
                raise ValueError("the queue is closed")
            if not self._waiting.has_room:
                raise QueueFull(self._limits.capacity, timeout_s)
            if self._waiting.add(event, time.monotonic()):
                self._changed.notify_all()

    def flush(self, *, timeout_s: float = 30.0) -> bool:
        """Send what waits now; return whether all of it was settled in time."""
        with self._changed:
            number = self._waiting.flush()
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._waiting.is_settled(number), timeout_s)

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Send what waits, then stop; what could not be sent in time is reported."""
        with self._changed:
            self._is_closing = True
        self.flush(timeout_s=timeout_s)
        with self._changed:
            self._is_stopped = True
            unsent = self._waiting.remove_all()
            self._changed.notify_all()
        atexit.unregister(self.close)
        report(unsent, NOT_SENT, self._on_unsent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                stored = self._send(batch)
            except Unavailable as error:
                log.warning("%d events wait to be sent again: %s", len(batch), error)
                self._pause(error.retry_after_s)
                continue
            except Refused as error:
                self._report(batch, error)
            except Exception as error:  # of the shop's own httpx client: the queue must go on
                self._report(batch, unexpected_failure(error))
            else:
                report_rejected(batch, stored, self._on_unsent)
            self._settle(len(batch))

    def _next_batch(self) -> tuple[Event, ...]:
        """Return the next batch when it is due; an empty one when the queue has stopped."""
        with self._changed:
            while not self._is_stopped:
                due_in_s = self._waiting.due_in_s(time.monotonic())
                if due_in_s == 0:
                    return self._waiting.batch()
                self._changed.wait(due_in_s)
            return ()

    def _settle(self, num_events: int) -> None:
        with self._changed:
            if not self._is_stopped:
                self._waiting.settle(num_events)
            self._changed.notify_all()

    def _report(self, batch: Sequence[Event], error: FreshetError) -> None:
        if not self._is_stopped:  # else they were reported when it was closed
            report(batch, error, self._on_unsent)

    def _pause(self, asked_s: float) -> None:
        with self._changed:
            pause_s = max(self._limits.pause_s, asked_s)
            self._changed.wait_for(lambda: self._is_stopped, pause_s)
