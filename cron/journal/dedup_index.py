"""Which event ids the journal holds: an index on disk, at the same cost a batch however long the journal is.

Knows ids and how far it has come, not what the records were. It may be deleted, or turn out
damaged, and is made anew from the segments.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cron.errors import Unavailable

BUSY_TIMEOUT_S = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), through INTEGER NOT NULL,
    last_event_id TEXT NOT NULL);
"""


class IndexDamaged(Exception):
    """The file is no whole database. It is cheaper to make anew than to mend."""


class DedupIndex:
    """The event ids of all segments up to number `through`. Every method may raise IndexDamaged, or Unavailable (a full disk, a lock)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with _telling(path):
            self._db = _open(path)

    def through(self) -> int:
        """Return the last journal number that is indexed; 0 when empty."""
        with _telling(self._path):
            row = self._db.execute("SELECT through FROM progress").fetchone()
        return int(row[0]) if row is not None else 0

    def last_event_id(self) -> str | None:
        """Return the event id that bears the number `through`; None when empty."""
        with _telling(self._path):
            row = self._db.execute("SELECT last_event_id FROM progress").fetchone()
        return str(row[0]) if row is not None else None

    def known(self, event_ids: Sequence[str]) -> set[str]:
        """Return those of the ids that are indexed."""
        query = "SELECT event_id FROM seen WHERE event_id IN (SELECT value FROM json_each(?))"
        with _telling(self._path):
            return {row[0] for row in self._db.execute(query, (json.dumps(event_ids),))}

    def add(self, event_ids: Sequence[str], *, through: int) -> None:
        """Index the ids of a segment, in the order of their numbers, the last of which is `through`; one transaction."""
        with _telling(self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            # In key order the tree grows at few places at once; half the time of a random order.
            self._db.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?)",
                ((event_id,) for event_id in sorted(event_ids)),
            )
            self._db.execute(
                "INSERT OR REPLACE INTO progress VALUES (1, ?, ?)", (through, event_ids[-1])
            )

    def replace(self, event_ids: Mapping[str, str]) -> None:
        """Let other ids stand for some that are indexed; one transaction."""
        with _telling(self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "DELETE FROM seen WHERE event_id = ?", ((old,) for old in sorted(event_ids))
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?)",
                ((new,) for new in sorted(event_ids.values())),
            )
            last = event_ids.get(self.last_event_id() or "")
            if last is not None:
                self._db.execute("UPDATE progress SET last_event_id = ?", (last,))
        with _telling(self._path):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # no byte of the old ids stays

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def delete_index(path: Path) -> None:
    """Delete an index that nobody has open, before it is made anew."""
    for part in path.parent.glob(path.name + "*"):
        part.unlink()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA secure_delete=ON")
        db.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes, the segments give again
        db.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Tell damage, after which the index is made anew, from what would only come again: a full disk, a lock."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        ):  # the low byte; above it are details
            raise IndexDamaged(f"{path}: {error}") from error
        raise Unavailable("the index of event ids", where=str(path), why=str(error)) from error
