"""An index of the journal's events by user on disk, and of its items' records.

It may be deleted or damaged at any time, and is then built again from the segments. Its rows are in
the order of a timeline: user id, time, event id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cron.journal.index_file import BUSY_TIMEOUT_S, empty_wal, open_index, translate_errors
from cron.lineage import Range

EVENT_COLUMNS = ("user_id", "at_us", "event_id", "seq", "item_id", "type", "rating")
ITEM_COLUMNS = ("item_id", "seq", "at_us", "event_id")

WHAT = "the index of events by user"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    item_id TEXT NOT NULL,
    type TEXT NOT NULL,
    rating REAL,
    PRIMARY KEY (user_id, at_us, event_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    item_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (item_id, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    first INTEGER NOT NULL,
    through INTEGER NOT NULL,
    last_event_id TEXT NOT NULL,
    forgotten_through TEXT NOT NULL
);
"""
_TYPES = {"seq": pa.int64(), "at_us": pa.int64(), "rating": pa.float64()}
_NOTHING_FORGOTTEN = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexProgress:
    """What the index has: the events of a range of numbers, and erasures up to a time.

    Events below `first` are deleted. `last_event_id` is that of the record with number `through`.
    """

    first: int = 1
    through: int = 0
    last_event_id: str = ""
    forgotten_through: datetime = _NOTHING_FORGOTTEN


class UserIndex:
    """The events and items of all segments up to some number, in one SQLite file.

    Every method may raise IndexDamaged, or Unavailable for a full disk or a lock that another
    process holds for longer than `busy_timeout_s`.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._path = path
        self._db = open_index(WHAT, path, _SCHEMA, busy_timeout_s=busy_timeout_s)

    def progress(self) -> IndexProgress:
        """Return what the index has."""
        query = "SELECT first, through, last_event_id, forgotten_through FROM progress"
        with translate_errors(WHAT, self._path):
            row = self._db.execute(query).fetchone()
        if row is None:
            return IndexProgress()
        return IndexProgress(
            first=row[0],
            through=row[1],
            last_event_id=row[2],
            forgotten_through=datetime.fromisoformat(row[3]),
        )

    def is_empty(self) -> bool:
        """Return whether there is neither an event nor an item."""
        query = "SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM items)"
        with translate_errors(WHAT, self._path):
            return not self._db.execute(query).fetchone()[0]

    def add(self, records: pa.Table, progress: IndexProgress) -> None:
        """Add records, which have the columns of `segments.SCHEMA`, in one transaction."""
        events = records.filter(pc.equal(records["kind"], "event")).select(list(EVENT_COLUMNS))
        order = [(name, "ascending") for name in ("user_id", "at_us", "event_id")]
        items = records.filter(pc.equal(records["kind"], "item")).select(list(ITEM_COLUMNS))
        with translate_errors(WHAT, self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            # In key order the tree grows in few places.
            self._insert("events", events.sort_by(order))
            self._insert("items", items)
            self._store(progress)

    def note(self, progress: IndexProgress) -> None:
        """Store the progress alone."""
        with translate_errors(WHAT, self._path), self._db:
            self._store(progress)

    def events_of(self, user_ids: Iterable[str], numbers: Range) -> pa.Table:
        """Return the events of users with numbers in a range, as EVENT_COLUMNS.

        They are in the order of the users given, then of time and event id.
        """
        where = "events WHERE user_id = ? AND seq BETWEEN ? AND ?"
        return self._select(EVENT_COLUMNS, where, ((user_id, *numbers) for user_id in user_ids))

    def records_of_items(self, item_ids: Iterable[str], *, through: int) -> pa.Table:
        """Return all records of items with numbers up to `through`, as ITEM_COLUMNS."""
        where = "items WHERE item_id = ? AND seq <= ?"
        return self._select(ITEM_COLUMNS, where, ((item_id, through) for item_id in item_ids))

    def users(self) -> Iterator[str]:
        """Yield every user id once, ascending."""
        query = "SELECT user_id FROM events WHERE user_id > ? ORDER BY user_id LIMIT 1"
        last = ""
        with translate_errors(WHAT, self._path):
            while (row := self._db.execute(query, (last,)).fetchone()) is not None:
                last = row[0]
                yield last

    def delete(self, events: pa.Table, progress: IndexProgress) -> None:
        """Delete events, which have user id, time and event id, in one transaction."""
        keys = zip(*(events[name].to_pylist() for name in EVENT_COLUMNS[:3]), strict=True)
        query = "DELETE FROM events WHERE user_id = ? AND at_us = ? AND event_id = ?"
        with translate_errors(WHAT, self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(query, keys)
            self._store(progress)
        with translate_errors(WHAT, self._path):
            empty_wal(self._db)

    def delete_below(self, progress: IndexProgress) -> None:
        """Delete the events with numbers below `progress.first`, which reads the whole index."""
        with translate_errors(WHAT, self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM events WHERE seq < ?", (progress.first,))
            self._store(progress)
        with translate_errors(WHAT, self._path):
            empty_wal(self._db)  # it is as large as the file now

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _select(
        self, names: Sequence[str], where: str, keys: Iterable[tuple[object, ...]]
    ) -> pa.Table:
        """Return the rows of each key, in the order of the keys."""
        query = f"SELECT {', '.join(names)} FROM {where}"
        with translate_errors(WHAT, self._path):
            return _table(names, (row for key in keys for row in self._db.execute(query, key)))

    def _insert(self, table: str, rows: pa.Table) -> None:
        marks = ", ".join("?" * rows.num_columns)
        names = ", ".join(rows.column_names)
        self._db.executemany(
            f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})",
            zip(*(column.to_pylist() for column in rows.columns), strict=True),
        )

    def _store(self, progress: IndexProgress) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO progress VALUES (1, ?, ?, ?, ?)",
            (
                progress.first,
                progress.through,
                progress.last_event_id,
                progress.forgotten_through.isoformat(),
            ),
        )


def _table(names: Sequence[str], rows: Iterable[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table(
        {
            name: pa.array(column, _TYPES.get(name, pa.string()))
            for name, column in zip(names, columns, strict=True)
        }
    )
