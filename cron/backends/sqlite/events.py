"""The event log in one SQLite file: the embedded back end, for processes of one machine."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from cron.backends.sqlite.log_place import LogPlace
from cron.errors import LogGap
from cron.local.shared_turns import SharedTurns
from cron.local.sqlite_file import SqliteFile
from cron.ports import BATCH_BYTES, START, Appended, Batch, Cursor
from cron.stored_records import batch_of, log_key, plain_event, read_stored
from recommender.records.events import EventLines, LogRecord, to_json

SHARED_ROWS = 2_000  # at most, of several appends in one transaction
TRIM_BATCH = 10_000  # takes 0.1 s, in which nobody else writes
# SQLite's own longest pause between two tries for a lock, so other writers get their turn
TRIM_PAUSE_S = 0.1
# One row a statement takes twice as long: each statement writes the sequence of positions.
_ROWS_IN_A_STATEMENT = 200

# AUTOINCREMENT: a position is never used twice, even when the newest records were trimmed.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    position INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), identity TEXT NOT NULL,
    trimmed_through INTEGER NOT NULL);
INSERT OR IGNORE INTO log VALUES (1, lower(hex(randomblob(4))), 0);
"""
# Counting all of them would read the whole file; positions have hardly any holes.
MOST_COUNTED = 100_000
_BACKLOG = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM records WHERE position > ?1 LIMIT ?2)),
    (SELECT max(position) FROM records),
    (SELECT min(position) FROM records WHERE position > ?1)
"""


class SqliteEventLog:
    """EventLog on a SQLite file; threads and processes may share it.

    `pause` waits some seconds between the batches of a trim.
    """

    def __init__(self, path: Path, *, pause: Callable[[float], object] = time.sleep) -> None:
        self._pause = pause
        # FULL, not NORMAL: a sender may forget an event once it has the answer, so the event must
        # survive a power cut. One fsync for all the appends that waited for the one before.
        self._file = SqliteFile(path, what="the event log", synchronous="FULL", schema=_SCHEMA)
        with self._file.transaction(write=False) as db:
            self._identity = str(db.execute("SELECT identity FROM log").fetchone()[0])
        self._appends = SharedTurns(self._append_all, max_size=SHARED_ROWS)

    def append(self, records: Sequence[LogRecord]) -> Appended:
        """Store records in one transaction, which appends of other threads may share."""
        ids = [log_key(record) for record in records]
        return self._append(ids, [to_json(record) for record in records])

    def append_lines(self, events: EventLines) -> Appended:
        """Store serialised events in one transaction."""
        return self._append(events.event_ids, events.lines)

    def read(self, after: Cursor, limit: int) -> Batch:
        """Return at most `limit` records after the cursor, in the order of storing."""
        with self._file.transaction(write=False) as db:
            position = self._position(db, after)
            rows = _rows(db, position, limit)
        if not rows:
            return Batch(records=(), cursor=after)
        found = [  # `source` is not made for what needs none
            plain_event(body) or read_stored(body, source=f"sqlite {self._cursor(place)}")
            for place, body in rows
        ]
        return batch_of(found, self._cursor(rows[-1][0]))

    def give_up(self, after: Cursor) -> Cursor:
        """Return the place before the earliest remaining record, unless the cursor is readable."""
        with self._file.transaction(write=False) as db:
            position, trimmed_through = self._parse(after), _trimmed_through(db)
        if position is not None and position >= trimmed_through:
            return after
        return self._cursor(trimmed_through)

    def backlog(self, after: Cursor) -> int:
        """Count the records after the cursor; all of them for another log's cursor."""
        position = self._parse(after) or 0
        with self._file.transaction(write=False) as db:
            some, last, first = db.execute(_BACKLOG, (position, MOST_COUNTED + 1)).fetchone()
        return int(some) if some <= MOST_COUNTED else int(last - first + 1)

    def trim(self, *before: Cursor) -> None:
        """Delete the records before the earliest cursor, in batches.

        The file keeps its size; the space is reused.
        """
        # 0 for the start and for another log's cursor: nothing is deleted
        position = min((self._parse(cursor) or 0 for cursor in before), default=0)
        while position and self._trim_some(position):
            self._pause(TRIM_PAUSE_S)
        self._file.scrub()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, event_ids: Sequence[str], bodies: Sequence[str]) -> Appended:
        """Store entries by event id."""
        return self._appends.take((event_ids, bodies), size=len(event_ids))

    def _append_all(self, entries: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[Appended]:
        """Store the entries of several appends in their order, in one transaction."""
        event_ids = [event_id for ids, _ in entries for event_id in ids]
        bodies = [body for _, bodies in entries for body in bodies]
        duplicates, last = self._store(event_ids, bodies)
        through = None if last is None else self._cursor(last)
        results, begin = [], 0
        for ids, _ in entries:
            end = begin + len(ids)
            own = tuple(place - begin for place in duplicates if begin <= place < end)
            results.append(Appended(accepted=len(ids) - len(own), duplicates=own, through=through))
            begin = end
        return results

    def _store(
        self, event_ids: Sequence[str], bodies: Sequence[str]
    ) -> tuple[list[int], int | None]:
        """Store entries; return the places of those that were there, and the last new position."""
        with self._file.transaction() as db:
            db.execute("SAVEPOINT before")
            if _insert(db, event_ids, bodies):
                return [], _last_position(db) if event_ids else None
            db.execute("ROLLBACK TO before")
            seen = _known_ids(db, event_ids)
            new: list[int] = []
            duplicates: list[int] = []
            for place, event_id in enumerate(event_ids):
                if event_id in seen:
                    duplicates.append(place)
                else:
                    seen.add(event_id)
                    new.append(place)
            _insert(db, [event_ids[place] for place in new], [bodies[place] for place in new])
            return duplicates, _last_position(db) if new else None

    def _trim_some(self, position: int) -> bool:
        """Delete one batch of the records up to a position; tell whether more are left."""
        with self._file.transaction() as db:
            oldest = "SELECT position FROM records WHERE position <= ? ORDER BY position LIMIT ?"
            last = db.execute(
                f"SELECT max(position) FROM ({oldest})", (position, TRIM_BATCH)
            ).fetchone()[0]
            if last is not None:
                db.execute("DELETE FROM records WHERE position <= ?", (last,))
                db.execute("UPDATE log SET trimmed_through = ?", (last,))
        return last is not None and last < position

    def _position(self, db: sqlite3.Connection, cursor: Cursor) -> int:
        """Return the cursor's position.

        Raise LogGap when a record after it was trimmed, or the cursor is of another log.
        """
        position = self._parse(cursor)
        if position is None or position < _trimmed_through(db):
            earliest = db.execute("SELECT min(position) FROM records").fetchone()[0]
            first = "none" if earliest is None else self._cursor(earliest)
            raise LogGap(log=str(self._file.path), cursor=cursor or "start", earliest=first)
        return position

    def _parse(self, cursor: Cursor) -> int | None:
        """Return the position in this log; None for a cursor of another one."""
        if cursor == START:
            return 0
        place = LogPlace.parse(cursor)
        return None if place is None or place.identity != self._identity else place.position

    def _cursor(self, position: int) -> Cursor:
        return LogPlace(position, self._identity).cursor


def open_log(path: Path) -> SqliteEventLog:
    """Open the log at this path, creating it if it is missing; raise Unavailable."""
    return SqliteEventLog(path)


def _rows(db: sqlite3.Connection, position: int, limit: int) -> list[tuple[int, bytes]]:
    """Return the rows after a position that make one batch.

    The bodies are bytes, since SQLite also stores text that is not UTF-8.
    """
    query = (
        "SELECT position, CAST(body AS BLOB) FROM records WHERE position > ?"
        " ORDER BY position LIMIT ?"
    )
    rows: list[tuple[int, bytes]] = []
    left_bytes = BATCH_BYTES
    for place, body in db.execute(query, (position, limit)):
        left_bytes -= len(body)
        if rows and left_bytes < 0:
            break
        rows.append((place, body))
    return rows


def _insert(db: sqlite3.Connection, event_ids: Sequence[str], bodies: Sequence[str]) -> bool:
    """Insert entries; stop and return False at a duplicate."""
    for begin in range(0, len(event_ids), _ROWS_IN_A_STATEMENT):
        group = slice(begin, begin + _ROWS_IN_A_STATEMENT)
        values = list(chain.from_iterable(zip(event_ids[group], bodies[group], strict=True)))
        places = ",".join(["(?,?)"] * (len(values) // 2))
        query = f"INSERT OR IGNORE INTO records (event_id, body) VALUES {places}"
        if db.execute(query, values).rowcount < len(values) // 2:
            return False
    return True


def _last_position(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT last_insert_rowid()").fetchone()[0])


def _trimmed_through(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT trimmed_through FROM log").fetchone()[0])


def _known_ids(db: sqlite3.Connection, event_ids: Sequence[str]) -> set[str]:
    """Return the ids that are in the log, with one query."""
    found = db.execute(
        "SELECT event_id FROM records WHERE event_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(event_ids)),),
    )
    return {row[0] for row in found}
