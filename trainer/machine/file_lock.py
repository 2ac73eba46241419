"""A lock on a file, held by one process; the kernel frees it when the process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LockHeld(RuntimeError):
    """Another process holds the lock; `holder` is what it wrote into the lock file, or empty."""

    def __init__(self, file: Path, *, holder: str) -> None:
        super().__init__(f"{file} is locked by {holder or 'another process'}")
        self.file = file
        self.holder = holder


@contextmanager
def file_lock(file: Path, *, wait: bool = True, holder: str = "") -> Iterator[None]:
    """Hold the lock of a file while the block runs; the file and its folder are made if missing.

    Wait for another holder to finish, or raise LockHeld at once when `wait` is False. `holder` is
    written into the file, so that others can say who holds the lock.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        lock_descriptor(stream.fileno(), file, wait=wait)
        stream.truncate(0)
        stream.write(holder)
        stream.flush()
        yield


def lock_descriptor(descriptor: int, file: Path, *, wait: bool = False) -> None:
    """Lock an open file until it is closed, by this process and all that inherit the descriptor.

    Raise LockHeld when another process holds the lock and `wait` is False.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        raise LockHeld(file, holder=_holder(file)) from error


def _holder(file: Path) -> str:
    try:
        return file.read_text(errors="replace", encoding="utf-8").strip()
    except OSError:
        return ""
