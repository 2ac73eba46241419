"""One SQLite file shared by threads and processes, with strict transactions."""

from __future__ import annotations

import os
import resource
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from cron.errors import AccessRefused, CannotKeep, Unavailable

BUSY_TIMEOUT_S = 30.0
READ_WAIT_S = 2.0  # in WAL mode readers only wait for a lock on the whole file
# `read_at_once` takes tens of microseconds when the pages are in memory. After a read that waited
# longer than this for the disk, an event loop must not wait for the next ones.
_SLOW_READ_S, _SLOW_FOR_S = 0.01, 1.0
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN)


def read_only_uri(path: Path) -> str | None:
    """Return the URI that opens a file read-only; None if this account may write it.

    So files of another account, or on a disk that was remounted read-only, can still be read.
    """
    if not path.exists() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return None
    # Readers share an index beside the file. Without recent writes it does not exist and cannot be
    # created here, so nobody is writing: SQLite then reads the file without it.
    is_quiet = not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_quiet else ''}"


def sqlite_failure(what: str, *, where: str, error: BaseException) -> Unavailable:
    """Translate a failure of SQLite or its file system into our error, with a remedy."""
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


class _SqliteConnection:
    """One connection, for one thread at a time.

    It waits at most `wait_s` for its turn, and as long again for other processes.
    """

    def __init__(self, path: Path, *, wait_s: float) -> None:
        read_only = read_only_uri(path)
        self.is_read_only = read_only is not None
        self.wait_s = wait_s
        self.lock = threading.Lock()
        self.db = sqlite3.connect(
            read_only or path,
            timeout=wait_s,
            isolation_level=None,
            check_same_thread=False,
            uri=self.is_read_only,
        )


class SqliteFile:
    """A file in WAL mode. `what` names it in messages; every failure is Unavailable.

    Reads have their own connection, so none waits for a write that waits for another process. A
    write waits at most `write_wait_s`. A file that this account may not write is opened read-only,
    and each write fails.
    """

    def __init__(
        self,
        path: Path,
        *,
        what: str,
        synchronous: Literal["FULL", "NORMAL"],
        schema: str,
        write_wait_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self.path = path
        self._what = what
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _SqliteConnection(path, wait_s=write_wait_s)
            if not self._writer.is_read_only:
                self._writer.db.execute("PRAGMA journal_mode=WAL")
                self._writer.db.execute(f"PRAGMA synchronous={synchronous}")
                # it is personal data: overwrite what is deleted
                self._writer.db.execute("PRAGMA secure_delete=ON")
            self._reader = _SqliteConnection(path, wait_s=READ_WAIT_S)
            self._hasty = _SqliteConnection(path, wait_s=0.0)
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error
        self._slow_until = 0.0  # by time.monotonic()
        if not self._writer.is_read_only:
            with self.transaction() as db:
                for statement in filter(str.strip, schema.split(";")):
                    db.execute(statement)

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        """Open a transaction, exclusive among this process's readers or writers.

        A writing transaction is exclusive among all processes.
        """
        connection = self._writer if write else self._reader
        if not connection.lock.acquire(timeout=connection.wait_s):
            raise Unavailable(
                self._what,
                where=str(self.path),
                why="other calls wait for it already",
                remedy="try again",
            )
        try:
            connection.db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield connection.db
            connection.db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        finally:
            with suppress(sqlite3.ProgrammingError):  # the file is closed
                if connection.db.in_transaction:
                    connection.db.execute("ROLLBACK")
            connection.lock.release()

    def read_at_once(self, query: str, values: Sequence[str | int]) -> Sequence[object] | None:
        """Return the one row of a query, for an event loop; None where a thread must ask.

        It is None while another thread is in such a read, while the file is locked, after a slow
        read, and when the read fails: `transaction` then says why. The query returns one row: with
        each further row other threads could take the interpreter for 5 ms.
        """
        began, blocks = time.monotonic(), _blocks_read()
        if began < self._slow_until or not self._hasty.lock.acquire(blocking=False):
            return None
        try:
            row: Sequence[object] = self._hasty.db.execute(query, values).fetchone()
        except sqlite3.Error:
            self._slow_until = began + _SLOW_FOR_S
            return None
        finally:
            self._hasty.lock.release()
        # on a busy machine a thread may wait for a processor as long
        if time.monotonic() - began > _SLOW_READ_S and _blocks_read() > blocks:
            self._slow_until = began + _SLOW_FOR_S
        return row

    def scrub(self) -> None:
        """Remove deleted data from the write-ahead log too, unless a reader prevents it."""
        with self._writer.lock, suppress(sqlite3.Error):  # later writes overwrite it anyway
            self._writer.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file after the calls that are using it; later ones are Unavailable."""
        for connection in (self._hasty, self._reader, self._writer):
            with connection.lock:  # closing it under a call would end the process
                connection.db.close()

    def _unavailable(self, error: Exception) -> Unavailable:
        return sqlite_failure(self._what, where=str(self.path), error=error)


def _blocks_read() -> int:
    """Return how many blocks this thread has read from disks."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock
