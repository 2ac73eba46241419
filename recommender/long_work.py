"""The progress of long work: a bar on a terminal, and a line now and then elsewhere.

Without a terminal, nothing is shown of work that takes less than ten seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_EVERY_S = 10.0
_BRIEF_S = 1.0
_UP = "\x1b[A"  # tqdm draws a bar below another one and moves back up


class _Lines:
    """A stream for tqdm that makes a line of each state of a bar."""

    encoding = "utf-8"

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        state = text.replace(_UP, "").strip()
        if state:
            self._out.write(f"{state}\n")

    def flush(self) -> None:
        self._out.flush()


def progress_bar(
    what: str,
    *,
    unit: str,
    total: int | None = None,
    is_passing: bool = False,
    out: TextIO | None = None,
    every_s: float = LINE_EVERY_S,
) -> tqdm[NoReturn]:
    """Return a bar on the standard error; off a terminal, it writes a line now and then.

    A passing bar is part of other work: it appears after a second, and is removed at its end.
    Bytes have the unit `B`.
    """
    from tqdm import tqdm

    stream = out or sys.stderr
    if stream.isatty():
        return tqdm(
            desc=what,
            unit=unit,
            total=total,
            unit_scale=unit == "B",
            file=stream,
            delay=_BRIEF_S if is_passing else 0.0,
            leave=not is_passing,
        )
    return tqdm(
        desc=what,
        unit=unit,
        total=total,
        unit_scale=unit == "B",
        file=_Lines(stream),
        delay=every_s,
        mininterval=every_s,
        miniters=1,
        ncols=0,
        leave=not is_passing,
    )


def say_beside_bar(text: str) -> None:
    """Write a sentence to the standard error, above a bar if there is one."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


class PhaseLines:
    """Lines about work in phases: one at the start of a phase, and one every `every_s` seconds."""

    def __init__(self, write: Callable[[str], object], *, every_s: float = LINE_EVERY_S) -> None:
        self._write = write
        self._every_s = every_s
        self._phase = ""
        self._began_s = self._written_s = 0.0

    def show(self, phase: str, how_far: str = "") -> None:
        """Write the name of a new phase, and later how far it is."""
        now_s = time.monotonic()
        if phase != self._phase:
            self._phase, self._began_s, self._written_s = phase, now_s, now_s
            if phase:
                self._write(phase)
        elif phase and now_s - self._written_s >= self._every_s:
            self._written_s = now_s
            passed = f"{now_s - self._began_s:.0f} s so far"
            self._write(", ".join(part for part in (phase, how_far, passed) if part))
