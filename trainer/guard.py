"""Keeps a trainer from working beside another one, or after the process that wanted its candidate.

Knows files and processes; nothing of training.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_PDEATHSIG = 1


class Locked(RuntimeError):
    """Another trainer works on the same candidate."""

    def __init__(self, out: Path) -> None:
        super().__init__(
            f"{out}: another trainer is at work on it (it holds {lock_file(out)}); wait for it or end it"
        )


class Orphaned(RuntimeError):
    """The process that started us is gone."""


def lock_file(out: Path) -> Path:
    """Return the lock's path for a candidate folder."""
    return out.with_name(out.name + ".lock")


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the candidate's lock for the block; raise Locked. The kernel drops it when we die."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with lock_file(out).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(out) from error
        yield


class Parent:
    """The process that started us, as of now. On Linux the kernel ends us with it; elsewhere `check` notices."""

    def __init__(self) -> None:
        self._pid = os.getppid()
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def check(self) -> None:
        """Raise Orphaned when the parent is gone."""
        if os.getppid() != self._pid:
            raise Orphaned("the process that started this training is gone; so is the training")
