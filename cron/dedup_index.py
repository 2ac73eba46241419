"""Which event ids the journal holds: an index on disk, at the same cost a batch however long the journal is.

Knows ids and how far it has come, not what the records were. It may be deleted, and is rebuilt from the segments.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), through INTEGER NOT NULL,
    last_event_id TEXT NOT NULL);
"""


class DedupIndex:
    """The event ids of all segments up to number `through`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError:  # a damaged file: cheaper to rebuild than to mend
            for leftover in path.parent.glob(path.name + "*"):
                leftover.unlink()
            self._db = _open(path)

    def through(self) -> int:
        """Return the last journal number that is indexed; 0 when empty."""
        row = self._db.execute("SELECT through FROM progress").fetchone()
        return int(row[0]) if row is not None else 0

    def last_event_id(self) -> str | None:
        """Return the event id that bears the number `through`; None when empty."""
        row = self._db.execute("SELECT last_event_id FROM progress").fetchone()
        return str(row[0]) if row is not None else None

    def known(self, event_ids: Sequence[str]) -> set[str]:
        """Return those of the ids that are indexed."""
        query = "SELECT event_id FROM seen WHERE event_id IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self._db.execute(query, (json.dumps(event_ids),))}

    def add(self, event_ids: Sequence[str], *, through: int) -> None:
        """Index the ids of a segment, in the order of their numbers, the last of which is `through`; one transaction."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            # In key order the tree grows at few places at once; half the time of a random order.
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?)", ((event_id,) for event_id in sorted(event_ids)))
            self._db.execute("INSERT OR REPLACE INTO progress VALUES (1, ?, ?)", (through, event_ids[-1]))

    def clear(self) -> None:
        """Forget everything, before a rebuild."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM seen")
            self._db.execute("DELETE FROM progress")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes, the segments give again
        db.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
