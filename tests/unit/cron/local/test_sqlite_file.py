"""The SQLite file while another process holds it: reads continue, writes give up in time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cron.backends.sqlite.histories import SqliteHistories
from cron.errors import Unavailable
from cron.local.sqlite_file import SqliteFile
from tests.contracts.records import event

SCHEMA = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER)"
JOIN_LIMIT_S = 120.0


@contextmanager
def write_lock(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the file's write lock, as a process that hangs in the middle of a write does."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_a_history_is_read_while_a_write_waits(tmp_path: Path) -> None:
    """A lock held elsewhere blocked every recommendation of a gateway that was taking an event."""
    path = tmp_path / "histories.db"
    histories = SqliteHistories(path, write_wait_s=JOIN_LIMIT_S)
    histories.append([event(1, user_id="ann")])
    begun = threading.Event()
    failed: list[Unavailable] = []

    def write() -> None:
        begun.set()
        try:
            histories.append([event(2, user_id="ann")])
        except Unavailable as error:
            failed.append(error)

    with write_lock(path):
        writer = threading.Thread(target=write)
        writer.start()
        begun.wait(JOIN_LIMIT_S)
        for _ in range(20):
            assert len(histories.recent("ann", 10)) == 1
            assert len(histories.past_at_once("ann", 10) or ()) == 1
            assert histories.hidden_among(["i"]) == frozenset()
    writer.join(JOIN_LIMIT_S)
    assert failed == []  # the reads ended long before the write would have given up
    assert len(histories.recent("ann", 10)) == 2


def test_a_write_waits_for_threads_as_for_processes(tmp_path: Path) -> None:
    file = SqliteFile(
        tmp_path / "x.db",
        what="the numbers",
        synchronous="NORMAL",
        schema=SCHEMA,
        write_wait_s=0.01,
    )
    refused = pytest.raises(Unavailable, match="other calls wait for it already")
    with file.transaction(), refused, file.transaction():
        raise AssertionError("two writers at once")
    with file.transaction() as db:
        db.execute("INSERT INTO numbers VALUES (1)")
    with file.transaction(write=False) as db:
        assert db.execute("SELECT number FROM numbers").fetchall() == [(1,)]


def test_a_read_at_once_neither_waits_nor_fails(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "x.db", what="the numbers", synchronous="NORMAL", schema=SCHEMA)
    with write_lock(file.path):
        assert file.read_at_once("SELECT count(*) FROM numbers WHERE number > ?", (0,)) == (0,)
    with pytest.raises(Unavailable, match="letters"), file.transaction(write=False) as db:
        db.execute("SELECT count(*) FROM letters")
    assert any(pauses_after_a_failure(file) for _ in range(5)), "for a second"


def pauses_after_a_failure(file: SqliteFile) -> bool:
    """Let a read fail; return whether the next one is not tried, as it is a second later."""
    assert file.read_at_once("SELECT count(*) FROM letters", ()) is None
    return file.read_at_once("SELECT count(*) FROM numbers", ()) is None


@pytest.mark.parametrize("write", [True, False])
def test_a_file_closes_after_the_call_that_uses_it(tmp_path: Path, write: bool) -> None:
    """SQLite ends the whole process when a connection is closed under a call."""
    file = SqliteFile(tmp_path / "one.db", what="numbers", synchronous="NORMAL", schema=SCHEMA)
    closer = threading.Thread(target=file.close)
    with file.transaction(write=write) as db:
        closer.start()
        for _ in range(1000):
            assert db.execute("SELECT count(*) FROM numbers").fetchone() == (0,)
    closer.join(JOIN_LIMIT_S)
    assert not closer.is_alive()
    for _ in range(2):  # a call that fails lets the next one try
        with pytest.raises(Unavailable, match="closed"), file.transaction(write=write):
            pass
