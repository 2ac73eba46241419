"""Rows of the histories in two trees: events are gathered before the large one changes.

In `history` each user's rows are on a page of their own: a few hundred events change as many pages,
each of 4 KiB. So new rows are gathered in `fresh`, which has few pages, and move in the order of
the users, when each page gets several. A row is in one of the two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain

from cron.past_event import EventRow

# per user; the longest history that a tower reads is far shorter, `exclude_seen` needs this many
KEPT_EVENTS = 1000
MOST_FRESH = 20_000  # some 2 MB; with more, the pages of `fresh` are as many as the events
# at a time; takes 0.02 s, in which nobody else writes. So many rows at once are gathered already.
MOVED_ROWS = 2_500
_ROWS_IN_A_STATEMENT = 200  # Python gives up its lock once for each statement, not for each row

_COLUMNS = """
    user_id TEXT NOT NULL, event_id TEXT NOT NULL, at_us INTEGER NOT NULL,
    item_id TEXT NOT NULL, type TEXT NOT NULL, rating REAL,
    PRIMARY KEY (user_id, event_id)"""
# By user and event id: a repeat is harmless even when a sender's retry has another time.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS history ({_COLUMNS}) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fresh ({_COLUMNS}) WITHOUT ROWID;
"""
_ADD = """
INSERT OR IGNORE INTO {table} SELECT * FROM (VALUES {places})
WHERE NOT EXISTS (SELECT 1 FROM {other} WHERE user_id = column1 AND event_id = column2)
"""
_NEXT_TO_MOVE = """
SELECT max(user_id), count(*) FROM
    (SELECT user_id FROM fresh WHERE user_id > ? ORDER BY user_id LIMIT ?)
"""
_MOVE = "INSERT OR IGNORE INTO history SELECT * FROM fresh WHERE user_id > ?1 AND user_id <= ?2"
_MOVED = "DELETE FROM fresh WHERE user_id > ?1 AND user_id <= ?2"
_MOVE_USER = "INSERT OR IGNORE INTO history SELECT * FROM fresh WHERE user_id = ?"
_COUNT = """
SELECT (SELECT count(*) FROM history WHERE user_id = ?1)
     + (SELECT count(*) FROM fresh WHERE user_id = ?1)
"""
_PRUNE = """
DELETE FROM history WHERE user_id = ?1 AND (at_us, event_id) <
    (SELECT at_us, event_id FROM history WHERE user_id = ?1
     ORDER BY at_us DESC, event_id DESC LIMIT 1 OFFSET ?2)
"""


class HistoryRows:
    """Adds rows, in a writing transaction of its caller.

    `fresh` has at most `most_fresh` rows for each process that adds some, and `moved_rows` move at
    a time.
    """

    def __init__(self, *, most_fresh: int = MOST_FRESH, moved_rows: int = MOVED_ROWS) -> None:
        self._most_fresh = most_fresh
        self._moved_rows = moved_rows
        # how many rows `fresh` has, as far as this process knows: others write too
        self._num_fresh: int | None = None
        self._moved_through = ""  # this user was the last to move; the next ones follow

    def add(self, db: sqlite3.Connection, rows: Sequence[EventRow]) -> None:
        """Add rows that are sorted by user and event id; a repeat changes nothing."""
        if len(rows) >= self._moved_rows:
            _add(db, rows, table="history", other="fresh")
            return
        _add(db, rows, table="fresh", other="history")
        if self._num_fresh is None:
            self._num_fresh = _count_fresh(db)
        else:
            self._num_fresh += len(rows)
        if self._num_fresh > self._most_fresh:
            self._move_some(db)
            self._num_fresh = _count_fresh(db)

    def _move_some(self, db: sqlite3.Connection) -> None:
        """Move the rows of the next users, after the last one those of the first."""
        last, num = db.execute(_NEXT_TO_MOVE, (self._moved_through, self._moved_rows)).fetchone()
        if num:
            db.execute(_MOVE, (self._moved_through, last))
            db.execute(_MOVED, (self._moved_through, last))
        self._moved_through = last if num == self._moved_rows else ""


def prune(db: sqlite3.Connection, user_ids: Iterable[str]) -> None:
    """Delete all but the newest events of users."""
    for user_id in user_ids:
        if db.execute(_COUNT, (user_id,)).fetchone()[0] > KEPT_EVENTS:
            db.execute(_MOVE_USER, (user_id,))
            db.execute("DELETE FROM fresh WHERE user_id = ?", (user_id,))
            db.execute(_PRUNE, (user_id, KEPT_EVENTS - 1))


def delete(db: sqlite3.Connection, user_id: str) -> int | None:
    """Delete a user's rows; return the latest time among them."""
    latest: int | None = None
    for table in ("history", "fresh"):
        query = f"SELECT max(at_us) FROM {table} WHERE user_id = ?"
        (found,) = db.execute(query, (user_id,)).fetchone()
        latest = max((one for one in (latest, found) if one is not None), default=None)
        db.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,))
    return latest


def _add(db: sqlite3.Connection, rows: Sequence[EventRow], *, table: str, other: str) -> None:
    for begin in range(0, len(rows), _ROWS_IN_A_STATEMENT):
        group = rows[begin : begin + _ROWS_IN_A_STATEMENT]
        places = ",".join(["(?,?,?,?,?,?)"] * len(group))
        statement = _ADD.format(table=table, other=other, places=places)
        db.execute(statement, [*chain.from_iterable(group)])


def _count_fresh(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM fresh").fetchone()[0])
