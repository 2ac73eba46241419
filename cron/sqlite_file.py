"""One SQLite file shared by threads and processes: how the embedded back ends open it and keep their transactions.

Knows SQLite; does not know what the rows are.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from cron.errors import AccessRefused, CannotKeep, Unavailable

BUSY_TIMEOUT_S = 30.0
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN)


def read_only_uri(path: Path) -> str | None:
    """Return the URI that opens a file only to read; None where this account may write it.

    A disk that was remounted read-only, or another account's files, still show what is in them.
    """
    if not path.exists() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return None
    # Readers share an index beside the file. Without recent writes there is none, and none can be
    # made here, so nobody is writing: SQLite then reads the file without looking for one.
    is_quiet = not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_quiet else ''}"


def sqlite_failure(what: str, *, where: str, error: BaseException) -> Unavailable:
    """Translate a failure of SQLite, or of the file system under it, with what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte; above it are details
    why = " ".join(str(error).split())
    if code == sqlite3.SQLITE_FULL:
        remedy = "make room on that disk, and it goes on by itself"
        return CannotKeep(what, where=where, why=why, remedy=remedy)
    if code in _NOT_WRITABLE:
        remedy = "this account must be allowed to write the file and its folder"
        return AccessRefused(what, where=where, why=why, remedy=remedy)
    if code == sqlite3.SQLITE_BUSY:
        remedy = "another process is writing there; try again, or end that process if it hangs"
        return Unavailable(what, where=where, why=why, remedy=remedy)
    return Unavailable(what, where=where, why=why, remedy="check that disk and that file")


class SqliteFile:
    """A connection in WAL mode. `what` names the thing for people; every failure is Unavailable.

    A file that this account may not write is opened to read, and each write fails.
    """

    def __init__(self, path: Path, *, what: str, synchronous: Literal["FULL", "NORMAL"], schema: str) -> None:
        self.path = path
        self._what = what
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            read_only = read_only_uri(path)
            self._db = sqlite3.connect(
                read_only or path,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
                uri=read_only is not None,
            )
            if read_only is None:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute(f"PRAGMA synchronous={synchronous}")
                self._db.execute("PRAGMA secure_delete=ON")  # it is somebody's data: no byte of what is deleted stays
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error
        if read_only is None:
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

    def scrub(self) -> None:
        """Take what was deleted out of the write-ahead log too, where no reader stands in the way."""
        with self._lock, suppress(sqlite3.Error):  # it is overwritten by later writes anyway
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _unavailable(self, error: Exception) -> Unavailable:
        return sqlite_failure(self._what, where=str(self.path), error=error)
