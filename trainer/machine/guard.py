"""Guards: one trainer per candidate folder, and none without its parent process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.machine.file_lock import LockHeld, file_lock
from trainer.machine.prctl import die_with_parent


class CandidateInUse(RuntimeError):
    """Another trainer works on the same candidate folder."""

    def __init__(self, out: Path) -> None:
        super().__init__(
            f"{out}: another trainer works on it and holds {lock_file(out)}; "
            "wait until it ends, or stop it"
        )


class Orphaned(RuntimeError):
    """The process that started this training has ended."""


def lock_file(out: Path) -> Path:
    """Return the path of a candidate folder's lock."""
    return out.with_name(out.name + ".lock")


@contextmanager
def candidate_lock(out: Path) -> Iterator[None]:
    """Hold the lock of a candidate folder while the block runs; raise CandidateInUse."""
    try:
        with file_lock(lock_file(out), wait=False):
            yield
    except LockHeld as error:
        raise CandidateInUse(out) from error


class Parent:
    """The process that started this one.

    On Linux the kernel kills this process when the parent dies; elsewhere `check` notices.
    """

    def __init__(self) -> None:
        self._pid = os.getppid()
        die_with_parent(signal.SIGKILL)

    def check(self) -> None:
        """Raise Orphaned when the parent has ended."""
        if os.getppid() != self._pid:
            raise Orphaned("the process that started this training has ended, so it ends too")
