"""An event of a user's history as plain values."""

from __future__ import annotations

from typing import NamedTuple


class PastEvent(NamedTuple):
    """One event of a user's history. A tuple, since each recommendation reads a hundred of them.

    `at_us` are microseconds since 1970. They sort by time, then by id, as a history does.
    """

    at_us: int
    event_id: str
    item_id: str
    type: str
    rating: float | None
