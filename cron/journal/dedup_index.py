"""An index of the journal's event ids on disk, with constant cost per batch.

It may be deleted or damaged at any time, and is then built again from the segments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cron.journal.index_file import BUSY_TIMEOUT_S, empty_wal, open_index, translate_errors

_WHAT = "the index of event ids"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    through INTEGER NOT NULL,
    last_event_id TEXT NOT NULL
);
"""


class DedupIndex:
    """The event ids of all segments up to number `through`.

    Every method may raise IndexDamaged, or Unavailable for a full disk or a lock that another
    process holds for longer than `busy_timeout_s`.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._path = path
        self._db = open_index(_WHAT, path, _SCHEMA, busy_timeout_s=busy_timeout_s)

    def through(self) -> int:
        """Return the last journal number that is indexed; 0 for an empty index."""
        with translate_errors(_WHAT, self._path):
            row = self._db.execute("SELECT through FROM progress").fetchone()
        return int(row[0]) if row is not None else 0

    def last_event_id(self) -> str | None:
        """Return the event id with the number `through`; None for an empty index."""
        with translate_errors(_WHAT, self._path):
            row = self._db.execute("SELECT last_event_id FROM progress").fetchone()
        return str(row[0]) if row is not None else None

    def among(self, event_ids: Sequence[str]) -> set[str]:
        """Return which of these ids are indexed."""
        query = "SELECT event_id FROM seen WHERE event_id IN (SELECT value FROM json_each(?))"
        with translate_errors(_WHAT, self._path):
            return {row[0] for row in self._db.execute(query, (json.dumps(event_ids),))}

    def add(self, event_ids: Sequence[str], *, through: int) -> None:
        """Index the ids of a segment, in order of their numbers up to `through`, at once."""
        with translate_errors(_WHAT, self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            # In key order the tree grows in few places, which takes half as long as a random order.
            self._db.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?)",
                ((event_id,) for event_id in sorted(event_ids)),
            )
            self._db.execute(
                "INSERT OR REPLACE INTO progress VALUES (1, ?, ?)", (through, event_ids[-1])
            )

    def replace(self, event_ids: Mapping[str, str]) -> None:
        """Replace indexed ids by others, in one transaction."""
        with translate_errors(_WHAT, self._path), self._db:
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
        with translate_errors(_WHAT, self._path):
            empty_wal(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
