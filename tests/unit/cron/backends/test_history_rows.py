"""Rows of the histories in two trees: whatever moves when, each is stored once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.backends.sqlite.history_rows import (
    KEPT_EVENTS,
    SCHEMA,
    HistoryRows,
    delete,
    prune,
)
from cron.past_event import EventRow

MOST_FRESH, MOVED_ROWS = 12, 4
Ids = Sequence[tuple[str, int]]  # a user, and the number of an event
IDS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), max_size=6)
DELETED = st.sampled_from("abcdef")


def row(user_id: str, number: int, *, at_us: int = 0) -> EventRow:
    return (user_id, f"e{number:04}", at_us or number, "i", "view", None)


def all_rows(db: sqlite3.Connection, user_id: str = "") -> list[EventRow]:
    """Return the rows of both trees, of one user or of all."""
    both = "SELECT * FROM history UNION ALL SELECT * FROM fresh"
    query = f"SELECT * FROM ({both}) WHERE user_id = ?1 OR ?1 = '' ORDER BY user_id, event_id"
    return db.execute(query, (user_id,)).fetchall()


def num_rows(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def new_file() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(SCHEMA)
    return db


@pytest.fixture
def db() -> sqlite3.Connection:
    return new_file()


@given(steps=st.lists(st.one_of(IDS, DELETED), max_size=30), second_writes=st.booleans())
def test_an_event_is_stored_once_wherever_it_is(
    steps: Sequence[Ids | str], second_writes: bool
) -> None:
    """The first event of an id stays; a second process may write in turns."""
    db = new_file()
    writers = [HistoryRows(most_fresh=MOST_FRESH, moved_rows=MOVED_ROWS) for _ in range(2)]
    expected: dict[tuple[str, int], EventRow] = {}
    for at_us, step in enumerate(steps, start=1):
        if isinstance(step, str):
            of_user = [one for one in expected.values() if one[0] == step]
            assert delete(db, step) == max((one[2] for one in of_user), default=None)
            expected = {key: one for key, one in expected.items() if key[0] != step}
            continue
        rows = sorted(row(*ids, at_us=at_us) for ids in step)
        writers[at_us % 2 if second_writes else 0].add(db, rows)
        for ids in step:
            expected.setdefault(ids, row(*ids, at_us=at_us))
        assert all_rows(db) == sorted(expected.values())
    assert num_rows(db, "fresh") <= 2 * (MOST_FRESH + MOVED_ROWS)


def test_rows_gather_and_move_in_the_order_of_users(db: sqlite3.Connection) -> None:
    rows = HistoryRows(most_fresh=MOST_FRESH, moved_rows=MOVED_ROWS)
    for number in range(4):
        rows.add(db, [row(user_id, number) for user_id in "abc"])
    assert num_rows(db, "history") == 0
    rows.add(db, [row("b", 9)])
    assert [one[0] for one in db.execute("SELECT * FROM history")] == ["a"] * 4
    rows.add(db, [row("a", 9)])
    rows.add(db, [row(user_id, 8) for user_id in "abc"])
    moved = [one[0] for one in db.execute("SELECT * FROM history")]
    assert moved == ["a"] * 4 + ["b"] * 6, "the users after the last that moved are next"


def test_many_rows_at_once_do_not_gather(db: sqlite3.Connection) -> None:
    rows = HistoryRows(most_fresh=MOST_FRESH, moved_rows=MOVED_ROWS)
    rows.add(db, [row("a", 1)])
    rows.add(db, [row("a", number) for number in range(MOVED_ROWS)])
    assert num_rows(db, "fresh") == 1
    assert all_rows(db) == [row("a", number) for number in range(MOVED_ROWS)]


def test_another_process_left_many_rows(db: sqlite3.Connection) -> None:
    """A process that was restarted often has gathered no more than one that was not."""
    for number in range(100):
        HistoryRows(most_fresh=MOST_FRESH, moved_rows=MOVED_ROWS).add(db, [row("a", number)])
    assert num_rows(db, "fresh") <= MOST_FRESH
    assert num_rows(db, "history") + num_rows(db, "fresh") == 100


def test_pruning_counts_both_trees(db: sqlite3.Connection) -> None:
    rows = HistoryRows()
    rows.add(db, [row("a", number) for number in range(1000, 2000)])
    prune(db, ["a", "nobody"])
    assert len(all_rows(db, "a")) == KEPT_EVENTS
    rows.add(db, [row("a", number) for number in range(900, 1100)])
    prune(db, ["a"])
    assert all_rows(db, "a") == [row("a", number) for number in range(1000, 2000)]
