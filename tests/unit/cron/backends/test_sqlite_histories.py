"""Histories in SQLite: files of an earlier Freshet, and how far a history may grow."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cron.backends.sqlite.histories import SqliteHistories, open_histories
from cron.backends.sqlite.history_rows import KEPT_EVENTS
from cron.epoch import micros
from cron.ports import Cursor
from recommender.records.events import Event
from tests.contracts.records import START_AT, event

EARLIER = """
CREATE TABLE events (
    user_id TEXT NOT NULL, at_us INTEGER NOT NULL, event_id TEXT NOT NULL UNIQUE,
    item_id TEXT NOT NULL, type TEXT NOT NULL, rating REAL,
    PRIMARY KEY (user_id, at_us, event_id)) WITHOUT ROWID
"""


def write_earlier(path: Path, events: Sequence[Event]) -> None:
    """Write the file that an earlier Freshet would have."""
    rows = [
        (one.user_id, micros(one.at), one.event_id, one.item_id, one.type, one.rating)
        for one in events
    ]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(EARLIER)
        db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)


def num_left(path: Path) -> int:
    """Count what has not moved yet."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM events").fetchone()[0])


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    path = tmp_path / "histories.db"
    rated = replace(event(7, user_id="v"), rating=0.5, type="rating")
    write_earlier(path, [event(1), event(2), rated])
    return path


@pytest.fixture
def histories(earlier: Path) -> SqliteHistories:
    return open_histories(earlier)


def test_an_earlier_file_is_read_before_it_has_moved(histories: SqliteHistories) -> None:
    assert histories.recent("u", 10) == (event(1), event(2))
    assert histories.recent("u", 1) == (event(2),)
    assert histories.recent("v", 10)[0].rating == 0.5


def test_a_repeat_of_an_earlier_event_changes_nothing(
    histories: SqliteHistories, earlier: Path
) -> None:
    histories.append([replace(event(1), at=START_AT + timedelta(days=1)), event(3)])
    assert histories.recent("u", 10) == (event(1), event(2), event(3))
    assert num_left(earlier) == 1, "only the users of the call have moved"


def test_the_follower_moves_an_earlier_file(histories: SqliteHistories, earlier: Path) -> None:
    before = histories.recent("v", 10)
    histories.append([], cursor=Cursor("7"))
    assert num_left(earlier) == 0
    assert histories.recent("u", 10) == (event(1), event(2))
    assert histories.recent("v", 10) == before


def test_an_earlier_user_is_forgotten(histories: SqliteHistories) -> None:
    assert histories.forget("u", at=START_AT) == event(2).at
    assert histories.recent("u", 10) == ()
    histories.clear()
    assert histories.recent("v", 10) == ()


def test_a_history_grows_little_past_what_is_kept(tmp_path: Path) -> None:
    histories = open_histories(tmp_path / "histories.db")
    for start in range(0, 3_000, 50):
        histories.append([event(number) for number in range(start, start + 50)])
        assert len(histories.recent("u", 3_000)) < KEPT_EVENTS + 500
    assert histories.recent("u", 1_000) == tuple(event(number) for number in range(2_000, 3_000))
