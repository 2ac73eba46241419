"""Detect that a time server or a person set the wall clock back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

_LOOK_S = 1.0
# Less than this delays nothing. A clock that is slowed down loses half a millisecond per second.
_SET_BACK_S = 1.0


def watch_clock(
    now: Callable[[], datetime], set_back: Callable[[float], None], stop: threading.Event
) -> None:
    """Call `set_back` with the seconds each time the clock `now` is set back, until `stop`."""
    ahead_s = _ahead_s(now)
    while not stop.wait(_LOOK_S):
        before_s, ahead_s = ahead_s, _ahead_s(now)
        if before_s - ahead_s > _SET_BACK_S:
            set_back(before_s - ahead_s)


def _ahead_s(now: Callable[[], datetime]) -> float:
    """Return how far the wall clock is ahead of the monotonic one."""
    return now().timestamp() - time.monotonic()
