"""Records of items, facts and counts in one SQLite file: the embedded back end.

They are a projection: the file may be deleted, and is then rebuilt from the journal.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from cron.epoch import micros, moment
from cron.item_counts import ALL_ITEMS, Bucket, EventCounts
from cron.known_item import KnownItem
from cron.local.sqlite_file import SqliteFile
from cron.ports import START, Cursor
from cron.rebuild_marks import new_mark
from recommender.records.events import Description, Item, from_json, to_json
from recommender.records.facts import Fact, key_of

WRITE_WAIT_S = 2.0  # then a gateway goes on: the follower writes it later
_BY_ID = msgspec.json.Decoder(dict[str, str])
IDS_AT_ONCE = 500  # SQLite before 3.32 takes 999 values in a statement

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    item_id TEXT PRIMARY KEY, at_us INTEGER NOT NULL, event_id TEXT NOT NULL,
    first_us INTEGER NOT NULL, deleted INTEGER NOT NULL, line TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS first_records ON records (first_us, item_id) WHERE NOT deleted;
CREATE TABLE IF NOT EXISTS facts (
    head TEXT NOT NULL, relation TEXT NOT NULL, tail TEXT NOT NULL, at_us INTEGER NOT NULL,
    event_id TEXT NOT NULL, withdrawn INTEGER NOT NULL,
    PRIMARY KEY (head, relation, tail)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (
    bucket TEXT NOT NULL, item_id TEXT NOT NULL, num INTEGER NOT NULL,
    PRIMARY KEY (bucket, item_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS follower (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), cursor TEXT NOT NULL);
"""
_ADD_RECORD = """
INSERT INTO records VALUES (?1, ?2, ?3, ?2, ?4, ?5) ON CONFLICT (item_id) DO UPDATE
SET at_us = excluded.at_us, event_id = excluded.event_id, deleted = excluded.deleted,
    line = excluded.line
WHERE (excluded.at_us, excluded.event_id) > (records.at_us, records.event_id)
"""
_MOVE_FIRST = "UPDATE records SET first_us = ?2 WHERE item_id = ?1 AND first_us > ?2"
_ADD_FACT = """
INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (head, relation, tail) DO UPDATE
SET at_us = excluded.at_us, event_id = excluded.event_id, withdrawn = excluded.withdrawn
WHERE (excluded.at_us, excluded.event_id) > (facts.at_us, facts.event_id)
"""
_FACTS = """
SELECT event_id, relation, tail, at_us FROM facts
WHERE head = ?1 AND (?2 IS NULL OR relation = ?2) AND NOT withdrawn
ORDER BY relation, tail LIMIT ?3
"""
_ADD_COUNT = """
INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (bucket, item_id) DO UPDATE
SET num = num + excluded.num
"""
# one row of JSON, as `read_at_once` needs it; `cron.known_item` names revisions the same way
_REVISIONS = """
SELECT json_group_object(item_id, at_us || ' ' || event_id) FROM records
WHERE NOT deleted AND item_id IN (SELECT value FROM json_each(?))
"""
_DROP_COUNTS = "DELETE FROM counts WHERE bucket >= ? AND bucket < ?"


class SqliteItemRecords:
    """Item records on a SQLite file; threads and processes may share them."""

    def __init__(self, path: Path) -> None:
        # NORMAL: a power cut may lose the last commits, but with them the follower's cursor, so
        # they are read from the log again.
        self._file = SqliteFile(
            path,
            what="the store of items",
            synchronous="NORMAL",
            schema=_SCHEMA,
            write_wait_s=WRITE_WAIT_S,
        )

    def append(self, records: Sequence[Description]) -> None:
        """Add records of items and facts."""
        with self._file.transaction() as db:
            _add(db, records)

    def follow(
        self, records: Sequence[Description], counts: EventCounts, *, after: Cursor, cursor: Cursor
    ) -> bool:
        """Add records and counts and move the cursor, unless it is not at `after`."""
        with self._file.transaction() as db:
            place = _cursor(db.execute("SELECT cursor FROM follower").fetchone())
            if place == cursor:
                return True
            if place != after:
                return False
            _add(db, records)
            db.executemany(
                _ADD_COUNT,
                [(bucket, item_id, num) for (bucket, item_id), num in counts.numbers.items()],
            )
            for first in counts.first_kept:
                db.execute(_DROP_COUNTS, (first[0], first))
            db.execute("INSERT OR REPLACE INTO follower VALUES (1, ?)", (cursor,))
        return True

    def find(self, item_ids: Sequence[str]) -> Mapping[str, KnownItem]:
        """Return the items with these ids."""
        found: dict[str, KnownItem] = {}
        with self._file.transaction(write=False) as db:
            for ids in _parts(item_ids):
                query = (
                    "SELECT line, first_us FROM records WHERE NOT deleted"
                    f" AND item_id IN ({_places(ids)})"
                )
                for item in _items(db.execute(query, ids)):
                    found[item.record.item_id] = item
        return found

    def revisions_at_once(self, item_ids: Sequence[str]) -> Mapping[str, str] | None:
        """Return the revision of each item that `find` would return; None if it would block."""
        row = self._file.read_at_once(_REVISIONS, (json.dumps(item_ids),))
        return None if row is None else _BY_ID.decode(str(row[0]))

    def facts(
        self, heads: Sequence[str], *, relation: str | None = None, limit: int
    ) -> Mapping[str, tuple[Fact, ...]]:
        """Return the first facts of these heads, by relation and tail."""
        found: dict[str, tuple[Fact, ...]] = {}
        with self._file.transaction(write=False) as db:
            for head in heads:
                if facts := _facts(head, db.execute(_FACTS, (head, relation, limit))):
                    found[head] = facts
        return found

    def by_id(self, *, after: str, limit: int) -> tuple[KnownItem, ...]:
        """Return the next items after an id, by id."""
        query = (
            "SELECT line, first_us FROM records WHERE item_id > ? AND NOT deleted"
            " ORDER BY item_id LIMIT ?"
        )
        with self._file.transaction(write=False) as db:
            return _items(db.execute(query, (after, limit)))

    def newest(self, *, before: tuple[datetime, str] | None, limit: int) -> tuple[KnownItem, ...]:
        """Return the next items before a (first time, id), the newest first."""
        place, values = "", tuple[int | str, ...]()
        if before is not None:
            place, values = "AND (first_us, item_id) < (?, ?)", (micros(before[0]), before[1])
        query = (
            f"SELECT line, first_us FROM records WHERE NOT deleted {place}"
            " ORDER BY first_us DESC, item_id DESC LIMIT ?"
        )
        with self._file.transaction(write=False) as db:
            return _items(db.execute(query, (*values, limit)))

    def most_counted(self, buckets: Sequence[Bucket], *, limit: int) -> tuple[tuple[str, int], ...]:
        """Return the ids with most events in some buckets and their numbers, the largest first."""
        query = (
            f"SELECT item_id, sum(num) AS total FROM counts WHERE bucket IN ({_places(buckets)})"
            " AND item_id <> ? GROUP BY item_id ORDER BY total DESC, item_id LIMIT ?"
        )
        with self._file.transaction(write=False) as db:
            return tuple(db.execute(query, (*buckets, ALL_ITEMS, limit)))

    def sums(self, item_ids: Sequence[str], buckets: Sequence[Bucket]) -> Mapping[str, int]:
        """Return the number of events in some buckets, of each of the ids that has any."""
        found: dict[str, int] = {}
        with self._file.transaction(write=False) as db:
            for ids in _parts(item_ids):
                query = (
                    f"SELECT item_id, sum(num) FROM counts WHERE bucket IN ({_places(buckets)})"
                    f" AND item_id IN ({_places(ids)}) GROUP BY item_id"
                )
                found.update(db.execute(query, (*buckets, *ids)))
        return found

    def cursor(self) -> Cursor:
        """Return the follower's place in the log."""
        with self._file.transaction(write=False) as db:
            return _cursor(db.execute("SELECT cursor FROM follower").fetchone())

    def clear(self) -> Cursor:
        """Delete everything; store the mark of a new rebuild as the cursor."""
        mark = new_mark()
        with self._file.transaction() as db:
            for table in ("records", "facts", "counts"):
                db.execute(f"DELETE FROM {table}")
            db.execute("INSERT OR REPLACE INTO follower VALUES (1, ?)", (mark,))
        return mark

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_item_records(path: Path) -> SqliteItemRecords:
    """Open the item records at this path, creating them if missing; raise Unavailable."""
    return SqliteItemRecords(path)


def _add(db: sqlite3.Connection, records: Sequence[Description]) -> None:
    rows = [
        (record.item_id, micros(record.at), record.event_id, record.deleted, to_json(record))
        for record in records
        if isinstance(record, Item)
    ]
    facts = [
        (*key_of(record), micros(record.at), record.event_id, record.withdrawn)
        for record in records
        if isinstance(record, Fact)
    ]
    db.executemany(_ADD_FACT, facts)
    db.executemany(_ADD_RECORD, rows)
    db.executemany(_MOVE_FIRST, [row[:2] for row in rows])


def _cursor(row: tuple[str] | None) -> Cursor:
    return START if row is None else Cursor(row[0])


def _facts(head: str, rows: Iterable[tuple[str, str, str, int]]) -> tuple[Fact, ...]:
    return tuple(
        Fact(event_id=event_id, head=head, relation=relation, tail=tail, at=moment(at_us))
        for event_id, relation, tail, at_us in rows
    )


def _items(rows: Iterable[tuple[str, int]]) -> tuple[KnownItem, ...]:
    found = []
    for line, first_us in rows:
        record = from_json(line)
        assert isinstance(record, Item)
        found.append(KnownItem(record=record, first_at=moment(first_us)))
    return tuple(found)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield ids[start : start + IDS_AT_ONCE]


def _places(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))
