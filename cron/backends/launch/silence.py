"""Notices that a training makes no progress, whatever part of it hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from trainer.candidate_files import PROGRESS, partial_of
from trainer.machine.sentences import GOES_ON, OF_THE_MACHINE


class Silence:
    """The time since the progress of a training changed."""

    def __init__(
        self, out: Path, *, limit_s: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = partial_of(out) / PROGRESS
        self._limit_s = limit_s
        self._now_s = now_s
        self._last = self._read()
        self._since_s = now_s()

    def is_over(self) -> bool:
        """Return whether it has lasted for the limit."""
        found = self._read()
        if found != self._last:
            self._last, self._since_s = found, self._now_s()
        return self._now_s() - self._since_s >= self._limit_s

    def _read(self) -> bytes:
        """Return the progress; it is written again with another content, and copied without one."""
        try:
            return self._file.read_bytes()
        except OSError:
            return b""


def silent_sentence(limit_s: float) -> str:
    """Return the sentence with which a silent training is ended."""
    return (
        f"{OF_THE_MACHINE}no progress for {limit_s:g} s, which is train.silence_limit_s;"
        f" the training {GOES_ON}"
    )
