"""What a model server reports about a version: its workers, requests and memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVersion:
    """One registered version: its READY workers, the configured minimum, and pending requests.

    Pending requests are queued or in flight. `is_starting`: no worker is READY, and one was started
    so recently that it may still be loading.
    """

    version: int
    ready_workers: int
    min_workers: int
    pending_requests: int
    is_starting: bool = False

    @property
    def ready(self) -> bool:
        """Return whether the version can take traffic."""
        return self.ready_workers >= max(1, self.min_workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMemory:
    """The memory that a worker of the live version uses on a node, and the memory left there."""

    taken_bytes: int
    left_bytes: int

    @property
    def has_room(self) -> bool:
        """Return whether a second version of that size fits."""
        return self.left_bytes >= self.taken_bytes
