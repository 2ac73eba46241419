"""Files that only their owner may read.

The working folder, archives and databases hold user data.

Every program that writes files calls `keep_private` first. Files that an earlier version created
readable for all accounts are closed when a program starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cron.project_root import PROJECT_ROOT
from cron.settings.places import item_records_path
from cron.settings.tree import StoreSettings
from cron.urls import files

OWNER_ALONE = 0o077  # the bits that are taken from others
_DATABASE_ENDINGS = ("", "-wal", "-shm", "-journal")


def keep_private() -> int:
    """Make the files of this process and its children readable by their owner alone.

    Return the mask before it, for files that a person asks for.
    """
    return os.umask(OWNER_ALONE)


def close_to_others(store: StoreSettings) -> None:
    """Remove the rights of other accounts on the files that the settings name.

    A folder that is already closed is not searched, since nobody else can enter it. Other people's
    files, and those on a read-only disk, are left alone.
    """
    folders = [PROJECT_ROOT / store.var]
    if store.artifacts.startswith("file:"):
        folders.append(files.parse(store.artifacts).path)
    databases = [
        files.parse(url).path
        for url in (store.events, store.histories, store.ledger)
        if url.startswith("sqlite:")
    ]
    for folder in folders:
        if _close(folder):
            for path in _contents(folder):
                _close(path)
    for database in (*databases, *map(item_records_path, databases)):
        for ending in _DATABASE_ENDINGS:
            _close(database.with_name(database.name + ending))


def _close(path: Path) -> bool:
    """Remove others' rights on a file or folder of this account; tell whether they had any."""
    with suppress(OSError):  # it does not exist, belongs to others, or can't be changed
        found = path.lstat()
        if found.st_uid == os.geteuid() and found.st_mode & OWNER_ALONE and not path.is_symlink():
            path.chmod(found.st_mode & 0o7777 & ~OWNER_ALONE)
            return True
    return False


def _contents(folder: Path) -> Iterator[Path]:
    """Return everything in a folder; links are not followed."""
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            yield Path(parent) / name
