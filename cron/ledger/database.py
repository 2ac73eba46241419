"""The database of the ledger: opened, its transactions kept strict, its failures told in our words. SQLite or PostgreSQL.

Knows both databases; does not know the tables. A writing transaction is alone among all processes
on both: on SQLite it begins by taking the file's write lock, on PostgreSQL by taking an advisory
lock, so that read, decide, write is one step. An advisory lock and not the lock of a row: it is
there before any table is, it also covers the migrations, and a reader never waits for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from cron.errors import AccessRefused, LedgerFailed, MissingClient, SettingsError, Unavailable
from cron.local.sqlite_file import read_only_uri, sqlite_failure

EXAMPLES = "for example sqlite:///var/ledger.db, or postgresql://freshet@host/freshet"
_LOCK = int.from_bytes(b"freshet", "big")  # of the advisory lock; each database has its own
_LOCK_WAIT_S = 30
# A writer that is paused in the middle of a transaction (a frozen machine) must not stop all the
# others: the server ends it.
_IDLE_LIMIT_S = 15
# libpq's: a host that vanished is noticed in seconds, not after TCP's quarter of an hour
_CONNECTION = {
    "connect_timeout": 5,
    "application_name": "freshet",
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SECRET_OPTIONS = (
    "sslpassword",
    "oauth_client_secret",
)  # libpq's, beside `password`, which is the URL's own
_REMEDY = "check the user, its password (PGPASSWORD or ~/.pgpass, never the settings file), and that it may make tables there"
_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "permission denied",
    "is not permitted to log in",
)


def open_engine(url: str) -> sa.Engine:
    """Open a database; a relative SQLite path starts at the working folder. Raise SettingsError, MissingClient or Unavailable."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise SettingsError(f"store.ledger is no database URL; {EXAMPLES}") from error
    openers = {"sqlite": _open_sqlite, "postgresql": _open_postgresql}
    if parsed.get_backend_name() not in openers:
        raise SettingsError(
            f"store.ledger: there is no ledger on {parsed.get_backend_name()}; {EXAMPLES}"
        )
    return openers[parsed.get_backend_name()](parsed)


def reader(engine: sa.Engine) -> sa.Engine:
    """Return the engine for reading transactions: everything read in one of them was true at the same moment."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def writer(engine: sa.Engine) -> sa.Engine:
    """Return the engine for writing transactions, each alone from its beginning."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(writes=True)
    # Whatever the server's default is: under a stricter one the snapshot would be older than the
    # lock.
    return engine.execution_options(
        writes=True, isolation_level="READ COMMITTED", postgresql_readonly=False
    )


def display_url(engine: sa.Engine) -> str:
    """Return the database's URL as messages show it: as the settings have it, without the password."""
    url = engine.url.set(drivername=engine.url.get_backend_name()).difference_update_query(
        _SECRET_OPTIONS
    )
    return url.render_as_string(hide_password=True)


@contextmanager
def errors_translated(engine: sa.Engine) -> Iterator[None]:
    """Turn what a database says that is away, locked, or out of disk into Unavailable: the call may be repeated.

    What it says to one whom it does not know is AccessRefused.
    """
    where = display_url(engine)
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise Unavailable("the ledger", where=where, why=_in_a_line(error)) from error
    except sa.exc.DBAPIError as error:
        why = _in_a_line(error.orig or error)
        if any(refusal in why for refusal in _REFUSALS):
            raise AccessRefused("the ledger", where=where, why=why, remedy=_REMEDY) from error
        if isinstance(error.orig, sqlite3.Error) and isinstance(error, sa.exc.OperationalError):
            raise sqlite_failure("the ledger", where=where, error=error.orig) from error
        if (
            isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
            or error.connection_invalidated
            or "read-only" in why
        ):
            raise Unavailable("the ledger", where=where, why=why) from error
        raise LedgerFailed(where=where, why=why) from error


def _open_sqlite(url: sa.URL) -> sa.Engine:
    if url.database is None:
        raise SettingsError(
            f"store.ledger: {str(url)!r} names no file, and a ledger in memory forgets; {EXAMPLES}"
        )
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable("the ledger", where=url.database, why=str(error)) from error
    read_only = read_only_uri(Path(url.database))
    if read_only is not None:
        engine = sa.create_engine(url, creator=lambda: _connect_to_read(read_only))
    else:
        engine = sa.create_engine(url)
        sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_postgresql(url: sa.URL) -> sa.Engine:
    """Without a password in the URL libpq finds its own: PGPASSWORD, or ~/.pgpass."""
    password = url.query.get("password", url.password)
    url = url.set(
        drivername="postgresql+psycopg", password=str(password) if password is not None else None
    )
    url = url.difference_update_query(["password"])
    options = {name: value for name, value in _CONNECTION.items() if name not in url.query}
    try:
        # prepare_threshold: a pooler between us and the server may give each transaction another
        # session
        engine = sa.create_engine(
            url, pool_pre_ping=True, connect_args={**options, "prepare_threshold": None}
        )
    except ImportError as error:
        raise MissingClient(scheme="postgresql", package="psycopg", extra="postgresql") from error
    sa.event.listen(engine, "begin", _begin_postgresql)
    return engine


def _connect_to_read(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """WAL lets the gateway read while the worker writes; FULL because the event log is trimmed after our commit."""
    connection.isolation_level = (
        None  # BEGIN is ours: the driver's own would start writes too late to be exclusive
    )
    connection.execute(f"PRAGMA busy_timeout = {1000 * _LOCK_WAIT_S}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the write lock at the start of a writing transaction."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _begin_postgresql(connection: sa.Connection) -> None:
    """Take the one lock of all writers; it ends with the transaction, or with the connection."""
    if _writes(connection):
        connection.exec_driver_sql(
            f"SET LOCAL lock_timeout = '{_LOCK_WAIT_S}s'; SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_LIMIT_S}s'"
        )
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _writes(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get("writes", False))


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())
