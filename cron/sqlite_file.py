"""One SQLite file shared by threads and processes: how the embedded back ends open it and keep their transactions.

Knows SQLite; does not know what the rows are.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from cron.errors import Unavailable

BUSY_TIMEOUT_S = 30.0


class SqliteFile:
    """A connection in WAL mode. `what` names the thing for people; every failure is Unavailable."""

    def __init__(self, path: Path, *, what: str, synchronous: Literal["FULL", "NORMAL"], schema: str) -> None:
        self.path = path
        self._what = what
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={synchronous}")
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error
        with self.transaction() as db:
            for statement in filter(str.strip, schema.split(";")):
                db.execute(statement)

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        """Open a transaction, alone among this connection's threads; a writing one alone among all processes."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._unavailable(error) from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(self._what, where=str(self.path), why=str(error))
