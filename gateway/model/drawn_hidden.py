"""The hidden items that policies drew: later lists leave them out before the draw.

A release may have items that were hidden after its training. While one is in the pool, it takes a
part of the probability from the others, whose propensities are then too small. The gateway learns
of it when it is first drawn; from then on its share is gone.
"""

from __future__ import annotations

from collections.abc import Collection

MAX_KEPT = 1_000  # each is sent with every question with a policy


class DrawnHidden:
    """The hidden items that one release's lists had; for the event loop."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._ids: dict[str, None] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """The items that were hidden when they were drawn, the oldest first."""
        return tuple(self._ids)

    def note(self, version: int | None, hidden: Collection[str]) -> None:
        """Add the hidden items of a list; those of another release are forgotten."""
        if version != self._version:
            self._version, self._ids = version, {}
        self._ids |= dict.fromkeys(sorted(hidden))
        while len(self._ids) > MAX_KEPT:
            del self._ids[next(iter(self._ids))]
