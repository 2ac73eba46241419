"""Notices that the wall clock was set back, by a time server or a person. Does not know who plans by it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

_LOOK_S = 1.0
# by less nobody is kept waiting; a clock that is slowed down loses half a millisecond a second
_SET_BACK_S = 1.0


def watch_clock(set_back: Callable[[float], None], stop: threading.Event) -> None:
    """Call `set_back` with the seconds each time that the clock was set back, until `stop` is set."""
    ahead_s = _ahead_s()
    while not stop.wait(_LOOK_S):
        before_s, ahead_s = ahead_s, _ahead_s()
        if before_s - ahead_s > _SET_BACK_S:
            set_back(before_s - ahead_s)


def _ahead_s() -> float:
    """Return how far the wall clock is ahead of the one that nobody sets."""
    return datetime.now(UTC).timestamp() - time.monotonic()
