"""What a power cut would leave: synced files and names, recorded beside `os.fsync`.

A file survives when its present content was synced and when each folder above it was synced while
it held the name. `at_each_sync` is called before every sync: whatever is on disk at that moment is
what a cut could leave.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """The syncs so far."""

    def __init__(self) -> None:
        self._contents: dict[
            int, tuple[int, int]
        ] = {}  # by inode: size and time of the last change, when it was synced
        self._names: dict[
            int, dict[str, int]
        ] = {}  # by a folder's inode: names and inodes in it, when it was synced
        self.at_each_sync: Callable[[], None] = lambda: None

    def note(self, descriptor: int) -> None:
        """Record one sync."""
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(descriptor) as entries:
                self._names[found.st_ino] = {entry.name: entry.inode() for entry in entries}
        else:
            self._contents[found.st_ino] = (found.st_size, found.st_mtime_ns)

    def survives(self, path: Path, *, below: Path) -> bool:
        """Return whether a path would survive a cut whole; `below` existed before."""
        found = path.stat()
        is_kept = path.is_dir() or self._contents.get(found.st_ino) == (
            found.st_size,
            found.st_mtime_ns,
        )
        while is_kept and path != below:
            is_kept = (
                self._names.get(path.parent.stat().st_ino, {}).get(path.name) == path.stat().st_ino
            )
            path = path.parent
        return is_kept

    def lost_paths(self, below: Path) -> list[str]:
        """Return the visible files and folders under a folder that a cut would take or spoil."""
        visible = [path for path in sorted(below.rglob("*")) if not _is_hidden(path, below)]
        return [
            path.relative_to(below).as_posix()
            for path in visible
            if not self.survives(path, below=below)
        ]


@contextmanager
def recorded_syncs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Record all syncs of this process."""
    disk, really = Disk(), os.fsync

    def fsync(descriptor: int) -> None:
        disk.at_each_sync()
        really(descriptor)
        disk.note(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield disk


def _is_hidden(path: Path, below: Path) -> bool:
    return any(
        part.startswith(".") and part != ".store" for part in path.relative_to(below).parts
    ) or path.name in ("unfinished", "lock")
