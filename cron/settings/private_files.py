"""Files that their owner alone may read: working folder, archives and databases hold what people did.

Every program of ours that writes files calls `keep_private` first. What an earlier version made for
all accounts is closed when a program starts, with the settings at hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cron.settings.tree import StoreSettings
from cron.wiring import PROJECT_ROOT, local_path

OWNER_ALONE = 0o077  # the bits that are taken from others
_OF_A_DATABASE = ("", "-wal", "-shm", "-journal")


def keep_private() -> None:
    """Let what this process and its children make be readable by their owner alone."""
    os.umask(OWNER_ALONE)


def close_to_others(store: StoreSettings) -> None:
    """Take the rights of other accounts on what the settings name on this disk.

    A folder that is closed already is not looked into: nobody else comes that far. Other people's
    files, and those on a disk that may only be read, stay as they are.
    """
    var = PROJECT_ROOT / store.var
    folders = [var, *(local_path(url) for url in (store.artifacts,) if url.startswith("file:"))]
    databases = [
        local_path(url)
        for url in (store.events, store.histories, store.ledger)
        if url.startswith("sqlite:")
    ]
    for folder in folders:
        if _close(folder):
            for path in _below(folder):
                _close(path)
    for database in databases:
        for ending in _OF_A_DATABASE:
            _close(database.with_name(database.name + ending))


def _close(path: Path) -> bool:
    """Take others' rights on a file or folder of ours; tell whether they had any."""
    with suppress(OSError):  # it is not there, not ours, or can't be changed
        found = path.lstat()
        if found.st_uid == os.geteuid() and found.st_mode & OWNER_ALONE and not path.is_symlink():
            path.chmod(found.st_mode & 0o7777 & ~OWNER_ALONE)
            return True
    return False


def _below(folder: Path) -> Iterator[Path]:
    """Return everything in a folder; links are not followed."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(parent) / name
