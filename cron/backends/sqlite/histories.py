"""Histories in one SQLite file: the embedded back end, for one gateway and the follower.

They are a projection: they may be deleted, and are then rebuilt from the journal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from cron.epoch import micros, moment
from cron.local.sqlite_file import SqliteFile
from cron.ports import START, Cursor
from cron.user_keys import hash_without_key
from recommender.events import Event, Item, Record

# per user; the longest history that a tower reads is far shorter, `exclude_seen` needs this many
KEPT_EVENTS = 1000
WRITE_WAIT_S = 2.0  # then a gateway goes on: the follower writes it later

# The unique event id makes a repeat harmless even when a sender's retry has another time.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT NOT NULL, at_us INTEGER NOT NULL, event_id TEXT NOT NULL UNIQUE,
    item_id TEXT NOT NULL, type TEXT NOT NULL, rating REAL,
    PRIMARY KEY (user_id, at_us, event_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    item_id TEXT PRIMARY KEY, at_us INTEGER NOT NULL, event_id TEXT NOT NULL,
    hidden INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hidden_items ON items (item_id) WHERE hidden;
CREATE TABLE IF NOT EXISTS marks (
    user_key TEXT PRIMARY KEY, at_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgotten (
    user_id TEXT PRIMARY KEY, at_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS follower (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), cursor TEXT NOT NULL);
"""
_ADD_ITEM = """
INSERT INTO items VALUES (?, ?, ?, ?) ON CONFLICT (item_id) DO UPDATE
SET at_us = excluded.at_us, event_id = excluded.event_id, hidden = excluded.hidden
WHERE (excluded.at_us, excluded.event_id) > (items.at_us, items.event_id)
"""
# The follower and a rebuild may bring events from before a user was forgotten.
_ADD_EVENT = """
INSERT OR IGNORE INTO events SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE NOT EXISTS (SELECT 1 FROM marks WHERE user_key = ?7 AND at_us >= ?2)
"""
# A mark never moves back.
_MARK = """
INSERT INTO marks VALUES (?, ?)
ON CONFLICT (user_key) DO UPDATE SET at_us = max(at_us, excluded.at_us)
"""
_PRUNE = """
DELETE FROM events WHERE user_id = ?1 AND (at_us, event_id) <
    (SELECT at_us, event_id FROM events WHERE user_id = ?1
     ORDER BY at_us DESC, event_id DESC LIMIT 1 OFFSET ?2)
"""


class SqliteHistories:
    """Histories on a SQLite file; threads and processes may share them."""

    def __init__(self, path: Path, user_key: Callable[[str], str] = hash_without_key) -> None:
        self._user_key = user_key
        # NORMAL: a power cut may lose the last commits, but with them the follower's cursor, so
        # they are read from the log again.
        self._file = SqliteFile(
            path,
            what="the history store",
            synchronous="NORMAL",
            schema=_SCHEMA,
            write_wait_s=WRITE_WAIT_S,
        )

    def append(self, records: Sequence[Record], *, cursor: Cursor | None = None) -> None:
        """Add records and move the follower's cursor in one transaction."""
        lasting = [
            record
            for record in records
            if isinstance(record, Event) and record.type != "impression"
        ]
        keys = {
            user_id: self._user_key(user_id) for user_id in {record.user_id for record in lasting}
        }
        events = [
            (
                record.user_id,
                micros(record.at),
                record.event_id,
                record.item_id,
                record.type,
                record.rating,
                keys[record.user_id],
            )
            for record in lasting
        ]
        items = [
            (record.item_id, micros(record.at), record.event_id, record.hidden)
            for record in records
            if isinstance(record, Item)
        ]
        with self._file.transaction() as db:
            self._hash_old_marks(db)
            db.executemany(_ADD_EVENT, events)
            db.executemany(
                _PRUNE, [(user_id, KEPT_EVENTS - 1) for user_id in {event[0] for event in events}]
            )
            db.executemany(_ADD_ITEM, items)
            if cursor is not None:
                db.execute("INSERT OR REPLACE INTO follower VALUES (1, ?)", (cursor,))

    def recent(self, user_id: str, n: int) -> tuple[Event, ...]:
        """Return the user's newest n events, newest last."""
        query = (
            "SELECT at_us, event_id, item_id, type, rating FROM events WHERE user_id = ?"
            " ORDER BY at_us DESC, event_id DESC LIMIT ?"
        )
        with self._file.transaction(write=False) as db:
            rows = db.execute(query, (user_id, max(n, 0))).fetchall()
        return tuple(
            Event(
                event_id=event_id,
                user_id=user_id,
                item_id=item_id,
                type=type_,
                at=moment(at_us),
                rating=rating,
            )
            for at_us, event_id, item_id, type_, rating in reversed(rows)
        )

    def forget(self, user_id: str, *, at: datetime) -> datetime:
        """Delete everything about a user; return, and store, up to when their events stay out."""
        user_key = self._user_key(user_id)
        with self._file.transaction() as db:
            self._hash_old_marks(db)
            latest = db.execute(
                "SELECT max(at_us) FROM events WHERE user_id = ?", (user_id,)
            ).fetchone()[0]
            # an event may have a time ahead of our clock
            db.execute(_MARK, (user_key, max(micros(at), latest or 0)))
            db.execute("DELETE FROM events WHERE user_id = ?", (user_id,))
            at_us = db.execute(
                "SELECT at_us FROM marks WHERE user_key = ?", (user_key,)
            ).fetchone()[0]
        self._file.scrub()
        return moment(at_us)

    def forgotten(self) -> dict[str, datetime]:
        """Return, by user key, the time up to which forgotten users' events stay out."""
        with self._file.transaction() as db:
            self._hash_old_marks(db)
            rows = db.execute("SELECT user_key, at_us FROM marks").fetchall()
        return {user_key: moment(at_us) for user_key, at_us in rows}

    def keep_out(self, forgotten: Mapping[str, datetime]) -> None:
        """Store the times up to which forgotten users' events stay out."""
        with self._file.transaction() as db:
            db.executemany(_MARK, [(user_key, micros(at)) for user_key, at in forgotten.items()])

    def hidden(self) -> frozenset[str]:
        """Return the ids of the items that must not be recommended now."""
        with self._file.transaction(write=False) as db:
            return frozenset(row[0] for row in db.execute("SELECT item_id FROM items WHERE hidden"))

    def hidden_among(self, item_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids that must not be recommended now."""
        places = ",".join("?" * len(item_ids))
        query = f"SELECT item_id FROM items WHERE hidden AND item_id IN ({places})"
        with self._file.transaction(write=False) as db:
            return frozenset(row[0] for row in db.execute(query, item_ids))

    def cursor(self) -> Cursor:
        """Return the follower's place in the log."""
        with self._file.transaction(write=False) as db:
            row = db.execute("SELECT cursor FROM follower").fetchone()
        return START if row is None else Cursor(row[0])

    def clear(self) -> None:
        """Delete everything, cursor included, but who was forgotten."""
        with self._file.transaction() as db:
            for table in ("events", "items", "follower"):
                db.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _hash_old_marks(self, db: sqlite3.Connection) -> None:
        """Hash the marks of an earlier Freshet, which stored the ids."""
        old = db.execute("SELECT user_id, at_us FROM forgotten").fetchall()
        if old:
            db.executemany(_MARK, [(self._user_key(user_id), at_us) for user_id, at_us in old])
            db.execute("DELETE FROM forgotten")


def open_histories(
    path: Path, user_key: Callable[[str], str] = hash_without_key
) -> SqliteHistories:
    """Open the histories at this path, creating them if missing; raise Unavailable."""
    return SqliteHistories(path, user_key)
