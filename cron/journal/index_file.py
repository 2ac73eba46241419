"""SQLite files of the journal's indexes, which may be deleted or damaged at any time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cron.errors import Unavailable

BUSY_TIMEOUT_S = 30.0


class IndexDamaged(Exception):
    """The file is not a valid database; building it again is cheaper than repairing it."""


def open_index(what: str, path: Path, schema: str, *, busy_timeout_s: float) -> sqlite3.Connection:
    """Open a file, or create it; raise IndexDamaged or Unavailable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with translate_errors(what, path):
        db = sqlite3.connect(
            path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA secure_delete=ON")
            db.execute("PRAGMA synchronous=NORMAL")  # the segments restore what a power cut loses
            db.executescript(schema)
        except sqlite3.DatabaseError:
            db.close()
            raise
    return db


def delete_index(path: Path) -> None:
    """Delete an index that is not open, so that it can be built again."""
    for part in path.parent.glob(path.name + "*"):
        part.unlink()


def empty_wal(db: sqlite3.Connection) -> None:
    """Empty the write-ahead log, so that no byte of deleted rows remains."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def translate_errors(what: str, path: Path) -> Iterator[None]:
    """Raise IndexDamaged for a damaged file, and Unavailable for a full disk or a lock."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte; others are details
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise IndexDamaged(f"{path}: {error}") from error
        raise Unavailable(what, where=str(path), why=str(error)) from error
