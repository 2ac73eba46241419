"""Histories in one SQLite file: the embedded back end, for one gateway and the follower.

They are a projection: they may be deleted, and are then rebuilt from the journal.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from pathlib import Path
from zlib import crc32

import msgspec

from cron.backends.sqlite.history_rows import SCHEMA, HistoryRows, delete, prune
from cron.backends.sqlite.kept_reads import KeptReads
from cron.epoch import micros, moment
from cron.local.sqlite_file import SqliteFile
from cron.past_event import EventRow, KeptPast, PastEvent, event_row
from cron.ports import START, Cursor
from cron.user_keys import hash_without_key
from recommender.records.events import Event, Item, Record

# One event in this many has its user pruned, since that reads the whole history.
EVENTS_A_PRUNING = 64
WRITE_WAIT_S = 2.0  # then a gateway goes on: the follower writes it later

# `events` is the table of an earlier Freshet, with a second tree over all ids; its rows move into
# `history`.
_SCHEMA = f"""
{SCHEMA}
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
# A mark never moves back.
_MARK = """
INSERT INTO marks VALUES (?, ?)
ON CONFLICT (user_key) DO UPDATE SET at_us = max(at_us, excluded.at_us)
"""
# One row of JSON, not a row for each event: Python gives up its lock for every row, and another
# thread may keep it for 5 ms. All rows of the user, since Python sorts them in a tenth of the time.
# `quote` writes every digit of a rating, and a whole number needs none of its work.
_PAST = """
SELECT json_group_array(json_array(at_us, event_id, item_id, type,
    CASE WHEN rating IS NULL THEN NULL
         WHEN rating = CAST(rating AS INTEGER) THEN CAST(rating AS INTEGER)
         ELSE quote(rating) END))
FROM (SELECT at_us, event_id, item_id, type, rating FROM history WHERE user_id = ?1
      UNION ALL SELECT at_us, event_id, item_id, type, rating FROM fresh WHERE user_id = ?1
      UNION ALL SELECT at_us, event_id, item_id, type, rating FROM events WHERE user_id = ?1)
"""
_VERSION = "PRAGMA data_version"
_HIDDEN_AMONG = """
SELECT json_group_array(item_id) FROM items
WHERE hidden AND item_id IN (SELECT value FROM json_each(?))
"""
_ID = itemgetter(0, 1)  # of a row: user id and event id
_PAST_EVENTS = msgspec.json.Decoder(list[PastEvent], strict=False)  # a rating may come as text
_IDS = msgspec.json.Decoder(frozenset[str])
_MOVE = """
INSERT OR IGNORE INTO history
SELECT user_id, event_id, at_us, item_id, type, rating FROM events WHERE user_id = ?
"""
# The users of the next rows to move, which takes some .05 s.
_NEXT_TO_MOVE = "SELECT DISTINCT user_id FROM (SELECT user_id FROM events LIMIT 2000)"


class SqliteHistories:
    """Histories on a SQLite file; threads and processes may share them."""

    def __init__(
        self,
        path: Path,
        user_key: Callable[[str], str] = hash_without_key,
        *,
        write_wait_s: float = WRITE_WAIT_S,
    ) -> None:
        self._user_key = user_key
        # NORMAL: a power cut may lose the last commits, but with them the follower's cursor, so
        # they are read from the log again.
        self._file = SqliteFile(
            path,
            what="the history store",
            synchronous="NORMAL",
            schema=_SCHEMA,
            write_wait_s=write_wait_s,
        )
        self._rows = HistoryRows()
        self._kept = KeptReads()

    def append(self, records: Sequence[Record], *, cursor: Cursor | None = None) -> None:
        """Add records and move the follower's cursor in one transaction."""
        events = _history([event_row(one) for one in records if isinstance(one, Event)])
        items = [
            (record.item_id, micros(record.at), record.event_id, record.hidden)
            for record in records
            if isinstance(record, Item)
        ]
        with self._file.transaction() as db:
            self._add_events(db, events, moves_others=cursor is not None)
            db.executemany(_ADD_ITEM, items)
            if cursor is not None:
                db.execute("INSERT OR REPLACE INTO follower VALUES (1, ?)", (cursor,))

    def append_rows(
        self,
        rows: Sequence[EventRow],
        *,
        through: Cursor | None = None,  # noqa: ARG002
    ) -> None:
        """Add events that are rows already, in one transaction."""
        events = _history(rows)
        with self._file.transaction() as db:
            self._add_events(db, events)

    def rows_of_history(self, rows: Iterable[EventRow]) -> list[EventRow]:
        """Return the rows that are history, without what forgotten users did before."""
        events = _history(rows)
        with self._file.transaction(write=False) as db:
            return self._without_forgotten(db, events)

    def recent(self, user_id: str, n: int) -> tuple[Event, ...]:
        """Return the user's newest n events, newest last."""
        return tuple(past.of_user(user_id) for past in self.past(user_id, n))

    def past(self, user_id: str, n: int) -> tuple[PastEvent, ...]:
        """Return the user's newest n events as plain values, newest last."""
        with self._file.transaction(write=False) as db:
            (found,) = db.execute(_PAST, (user_id,)).fetchone()
        return _newest(found, n)

    def past_at_once(self, user_id: str, n: int) -> tuple[PastEvent, ...] | None:
        """Return what `past` returns, or None where a thread must ask."""
        version = self._file.read_at_once(_VERSION, ())
        if version is None:
            return None
        kept = self._kept.past(user_id, n, version=version[0])
        if kept is not None:
            return kept
        row = self._file.read_at_once(_PAST, (user_id,))
        if row is None:
            return None
        past = KeptPast(_newest(str(row[0]), n))
        self._kept.keep_past(user_id, n, past, version=version[0])
        return past

    def forget(self, user_id: str, *, at: datetime) -> datetime:
        """Delete everything about a user; return, and store, up to when their events stay out."""
        user_key = self._user_key(user_id)
        with self._file.transaction() as db:
            self._hash_old_marks(db)
            _move_old(db, [user_id])
            latest = delete(db, user_id)
            # an event may have a time ahead of our clock
            db.execute(_MARK, (user_key, max(micros(at), latest or 0)))
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
        with self._file.transaction(write=False) as db:
            (found,) = db.execute(_HIDDEN_AMONG, (json.dumps(item_ids),)).fetchone()
        return _IDS.decode(found)

    def hidden_at_once(self, item_ids: Sequence[str]) -> frozenset[str] | None:
        """Return what `hidden_among` returns, or None where a thread must ask."""
        version = self._file.read_at_once(_VERSION, ())
        if version is None:
            return None
        kept = self._kept.hidden(item_ids, version=version[0])
        if kept is not None:
            return kept
        row = self._file.read_at_once(_HIDDEN_AMONG, (json.dumps(item_ids),))
        if row is None:
            return None
        hidden = _IDS.decode(str(row[0]))
        self._kept.keep_hidden(item_ids, hidden, version=version[0])
        return hidden

    def cursor(self) -> Cursor:
        """Return the follower's place in the log."""
        with self._file.transaction(write=False) as db:
            row = db.execute("SELECT cursor FROM follower").fetchone()
        return START if row is None else Cursor(row[0])

    def clear(self) -> None:
        """Delete everything, cursor included, but who was forgotten."""
        with self._file.transaction() as db:
            for table in ("history", "fresh", "events", "items", "follower"):
                db.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _add_events(
        self, db: sqlite3.Connection, events: Sequence[EventRow], *, moves_others: bool = False
    ) -> None:
        """Add what `_history` returned."""
        users = {row[0] for row in events}
        self._hash_old_marks(db)
        _move_old(db, users, moves_others=moves_others)
        events = self._without_forgotten(db, events)
        self._rows.add(db, events)
        due = {row[0] for row in events if crc32(row[1].encode()) % EVENTS_A_PRUNING == 0}
        prune(db, sorted(due))

    def _without_forgotten(
        self, db: sqlite3.Connection, events: Sequence[EventRow]
    ) -> list[EventRow]:
        """Return the events without those from before their user was forgotten.

        The follower and a rebuild may bring them.
        """
        marks = self._marks_among(db, {row[0] for row in events})
        return [row for row in events if row[2] > marks.get(row[0], 0)] if marks else [*events]

    def _marks_among(self, db: sqlite3.Connection, user_ids: Iterable[str]) -> dict[str, int]:
        """Return up to when the events of those users stay out who were forgotten."""
        if db.execute("SELECT 1 FROM marks LIMIT 1").fetchone() is None:
            return {}
        query = "SELECT at_us FROM marks WHERE user_key = ?"
        found = ((one, db.execute(query, (self._user_key(one),)).fetchone()) for one in user_ids)
        return {user_id: row[0] for user_id, row in found if row is not None}

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


def _newest(found: str, n: int) -> tuple[PastEvent, ...]:
    """Parse the one row of `_PAST` and return the newest n events, newest last."""
    events = sorted(_PAST_EVENTS.decode(found))
    return tuple(events[max(len(events) - n, 0) :]) if n > 0 else ()


def _history(rows: Iterable[EventRow]) -> list[EventRow]:
    """Return the rows that are history, in the order of the table."""
    return sorted((row for row in rows if row[4] != "impression"), key=_ID)


def _move_old(
    db: sqlite3.Connection, user_ids: Iterable[str], *, moves_others: bool = False
) -> None:
    """Move what these users, and perhaps some others, have in the table of an earlier Freshet."""
    if db.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None:
        return
    others = db.execute(_NEXT_TO_MOVE).fetchall() if moves_others else []
    for user in chain(((user_id,) for user_id in user_ids), others):
        db.execute(_MOVE, user)
        db.execute("DELETE FROM events WHERE user_id = ?", user)
