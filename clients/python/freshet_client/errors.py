"""What can go wrong with a call.

FreshetError
├── Refused       the gateway answered that something is wrong with the call: correct it
├── Unavailable   there is no answer, or "later" after all tries: the same call may work again
└── QueueFull     an event found no room in the queue in time: it was not added
"""

from __future__ import annotations

from typing import Optional


class FreshetError(Exception):
    """Any error of this client."""


class Refused(FreshetError):
    """The gateway refused the call, a record or a line: `field` and `reason` say where and why."""

    def __init__(self, field: str, reason: str, status: int) -> None:
        super().__init__(field, reason, status)
        self.field = field
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        return f"{self.reason} (field {self.field}, status {self.status})"


class Unavailable(FreshetError):
    """The gateway did not answer. `status` is None when nothing came back.

    `retry_after_s` is how long the gateway asked to wait, 0 when it did not.
    """

    def __init__(
        self, reason: str, status: Optional[int] = None, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(reason, status, retry_after_s)
        self.reason = reason
        self.status = status
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.reason


class QueueFull(FreshetError):
    """An event found no room in the queue in time, since events are sent slower than added."""

    def __init__(self, capacity: int, timeout_s: float) -> None:
        super().__init__(capacity, timeout_s)
        self.capacity = capacity
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return (
            f"{self.capacity:,} events wait to be sent, and none was sent in {self.timeout_s:g} s; "
            "the event was not added"
        )
