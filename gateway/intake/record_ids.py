"""Ids for records without one: UUIDv7 (RFC 9562), which sort by the time of assignment.

Python 3.11 has no `uuid.uuid7`.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator

_RANDOM_BITS = 74  # 12 before the variant, 62 after it
_STEPS_BYTES = 4096


class RecordIds:
    """A source of increasing UUIDv7, within one process. Thread-safe.

    They increase within one millisecond too, and when the clock steps back.
    """

    def __init__(self, *, time_ns: Callable[[], int] = time.time_ns) -> None:
        self._time_ns = time_ns
        self._lock = threading.Lock()
        self._last = 0  # milliseconds and random part, one number
        self._steps: Iterator[int] = iter(())

    def __call__(self) -> str:
        """Return the next id."""
        milliseconds = self._time_ns() // 1_000_000
        with self._lock:
            if milliseconds > self._last >> _RANDOM_BITS:
                self._last = (milliseconds << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
            else:
                # the random step keeps the next id unguessable; an overflow of the random part
                # carries into the milliseconds
                self._last += 1 + self._random_step()
            number = self._last
        return _as_text(number)

    def _random_step(self) -> int:
        """Return 32 random bits, of which the system returns many at a time."""
        step = next(self._steps, None)
        if step is None:
            self._steps = iter(memoryview(os.urandom(_STEPS_BYTES)).cast("I"))
            step = next(self._steps)
        return step


def _as_text(number: int) -> str:
    milliseconds, high, low = (
        number >> _RANDOM_BITS,
        (number >> 62) & 0xFFF,
        number & (1 << 62) - 1,
    )
    digits = f"{milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low:032x}"
    # as `str(uuid.UUID(…))` writes it, in a third of the time
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
