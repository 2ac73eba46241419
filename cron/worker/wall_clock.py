"""Detect that a time server or a person set the wall clock back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

_LOOK_S = 1.0
# Less than this delays nothing. A clock that is slowed down loses half a millisecond per second.
_SET_BACK_S = 1.0
_APART_S = 0.1


def watch_clock(
    now: Callable[[], datetime],
    set_back: Callable[[float], None],
    stop: threading.Event,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Call `set_back` with the seconds each time the clock `now` is set back, until `stop`."""
    ahead_s = _ahead_s(now, monotonic)
    while not stop.wait(_LOOK_S):
        found_s = _ahead_s(now, monotonic)
        if found_s is None:
            continue
        if ahead_s is not None and ahead_s - found_s > _SET_BACK_S:
            set_back(ahead_s - found_s)
        ahead_s = found_s


def _ahead_s(now: Callable[[], datetime], monotonic: Callable[[], float]) -> float | None:
    """Return how far the wall clock is ahead of the monotonic one.

    It is None where this thread waited for a processor between its looks at the two.
    """
    before_s = monotonic()
    now_s = now().timestamp()
    after_s = monotonic()
    return now_s - after_s if after_s - before_s < _APART_S else None
