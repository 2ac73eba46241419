"""The events that wait to be sent, and what becomes of those that are not stored.

It knows no thread, task or network: the two queues do the waiting and the sending.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Callable, Optional

from freshet_client.answers import Stored
from freshet_client.errors import FreshetError, Refused, Unavailable
from freshet_client.records import Event, num_in_call

log = logging.getLogger(__name__)

OnUnsent = Callable[[Event, FreshetError], None]


@dataclass(frozen=True)
class QueueLimits:
    """How many events a queue holds, and when it sends them."""

    capacity: int = 10_000
    batch: int = 500  # events of a call, which takes at most 1,000
    max_age_s: float = 1.0  # the oldest event waits no longer for a full batch
    pause_s: float = 1.0  # after a batch for which no answer came


USUAL_LIMITS = QueueLimits()


class WaitingEvents:
    """Events in the order in which they came, each with its time. A batch stays until settled."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._waiting: deque[tuple[float, Event]] = deque()
        self._num_added = 0
        self._num_settled = 0
        self._flush_to = 0

    @property
    def has_room(self) -> bool:
        """Whether another event may be added."""
        return len(self._waiting) < self._limits.capacity

    def add(self, event: Event, now: float) -> bool:
        """Add an event, for which there must be room; return whether the sender must look."""
        self._waiting.append((now, event))
        self._num_added += 1
        return len(self._waiting) == 1 or self._is_full()

    def flush(self) -> int:
        """Make everything that waits due, and return the number for `is_settled`."""
        self._flush_to = self._num_added
        return self._flush_to

    def is_settled(self, number: int) -> bool:
        """Return whether all events that were added before `flush` returned this are settled."""
        return self._num_settled >= number

    def due_in_s(self, now: float) -> Optional[float]:
        """Return the seconds until the next batch is due; None when nothing waits."""
        if not self._waiting:
            return None
        if self._is_full() or self._num_settled < self._flush_to:
            return 0.0
        return max(0.0, self._waiting[0][0] + self._limits.max_age_s - now)

    def batch(self) -> tuple[Event, ...]:
        """Return the oldest events, as many as a batch and a call have; they keep their places.

        A batch of several calls would be reported as a whole when the gateway refuses one of them.
        """
        events = tuple(event for _, event in islice(self._waiting, self._limits.batch))
        return events[: num_in_call(events)]

    def settle(self, num_events: int) -> None:
        """Remove the oldest events: they were sent, or reported."""
        for _ in range(num_events):
            self._waiting.popleft()
        self._num_settled += num_events

    def remove_all(self) -> tuple[Event, ...]:
        """Remove and return all events."""
        events = tuple(event for _, event in self._waiting)
        self.settle(len(events))
        return events

    def _is_full(self) -> bool:
        return len(self._waiting) >= min(self._limits.batch, self._limits.capacity)


def report_rejected(batch: Sequence[Event], stored: Stored, on_unsent: Optional[OnUnsent]) -> None:
    """Report the events of a batch that the gateway rejected."""
    for one in stored.rejected:
        report([batch[one.index]], Refused(one.field, one.reason, 400), on_unsent)


def unexpected_failure(error: Exception) -> Unavailable:
    """Return an error that no call should raise as one that `report` takes."""
    log.error("sending events failed", exc_info=error)
    return Unavailable(f"{type(error).__name__}: {error}")


def report(events: Sequence[Event], error: FreshetError, on_unsent: Optional[OnUnsent]) -> None:
    """Report events that were not stored, to a callback or the log."""
    for event in events:
        if on_unsent is None:
            log.error("event %s was not stored: %s", event.event_id, error)
            continue
        try:
            on_unsent(event, error)
        except Exception:
            # the queue must go on, whatever the shop's own function does
            log.exception("on_unsent failed for event %s, not stored: %s", event.event_id, error)
