"""The ledger's database: opening it, strict transactions, its errors as ours.

The database is SQLite or PostgreSQL. On both only one writing transaction runs at a time, among all
processes, so that read, decide, write is one step: on SQLite it begins by taking the file's write
lock, on PostgreSQL by taking an advisory lock. An advisory lock rather than a row lock: it exists
before any table, it also covers the migrations, and a reader never waits for it.
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
_LOCK = int.from_bytes(b"freshet", "big")  # number of the advisory lock; each database has its own
_LOCK_WAIT_S = 30
# A writer that freezes during a transaction must not block all the others: the server ends it.
IDLE_LIMIT_S = 15
# libpq's options: detect a vanished host in seconds, not after TCP's quarter of an hour
_CONNECTION = {
    "connect_timeout": 5,
    "application_name": "freshet",
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# libpq's options that are secret; `password` is part of the URL itself
_SECRET_OPTIONS = ("sslpassword", "oauth_client_secret")
_REMEDY = (
    "check the user, its password (PGPASSWORD or ~/.pgpass, never the settings file), and that it"
    " may create tables there"
)
_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "permission denied",
    "is not permitted to log in",
)


def open_engine(url: str) -> sa.Engine:
    """Open a database; a relative SQLite path starts at the working folder.

    Raise SettingsError, MissingClient or Unavailable.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise SettingsError(f"store.ledger is not a database URL; {EXAMPLES}") from error
    openers = {"sqlite": _open_sqlite, "postgresql": _open_postgresql}
    if parsed.get_backend_name() not in openers:
        raise SettingsError(
            f"store.ledger: {parsed.get_backend_name()} is not supported; {EXAMPLES}"
        )
    return openers[parsed.get_backend_name()](parsed)


def reader(engine: sa.Engine) -> sa.Engine:
    """Return the engine for reading transactions, each of which sees one moment."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def writer(engine: sa.Engine, *, idle_limit_s: int = IDLE_LIMIT_S) -> sa.Engine:
    """Return the engine for writing transactions, which run one at a time.

    PostgreSQL ends one that does nothing for `idle_limit_s`.
    """
    if engine.dialect.name == "sqlite":
        return engine.execution_options(writes=True)
    # Set explicitly: under a stricter default the snapshot would be older than the lock.
    return engine.execution_options(
        writes=True,
        idle_limit_s=idle_limit_s,
        isolation_level="READ COMMITTED",
        postgresql_readonly=False,
    )


def display_url(engine: sa.Engine) -> str:
    """Return the database's URL for messages: as in the settings, without secrets."""
    url = engine.url.set(drivername=engine.url.get_backend_name()).difference_update_query(
        _SECRET_OPTIONS
    )
    return url.render_as_string(hide_password=True)


@contextmanager
def errors_translated(engine: sa.Engine) -> Iterator[None]:
    """Translate the database's errors.

    Unavailable: it does not answer, is locked, or has no disk space; the call may be retried.
    AccessRefused: it rejects our user or password. LedgerFailed: anything else.
    """
    where = display_url(engine)
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise Unavailable("the ledger", where=where, why=_one_line(error)) from error
    except sa.exc.DBAPIError as error:
        why = _one_line(error.orig or error)
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
    except sa.exc.SQLAlchemyError as error:  # a row is missing, perhaps while a backup is restored
        raise LedgerFailed(where=where, why=_one_line(error)) from error


def _open_sqlite(url: sa.URL) -> sa.Engine:
    if url.database is None:
        raise SettingsError(
            f"store.ledger: {str(url)!r} names no file, and memory is not durable; {EXAMPLES}"
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
    """Open PostgreSQL; without a password in the URL libpq uses PGPASSWORD or ~/.pgpass."""
    password = url.query.get("password", url.password)
    url = url.set(
        drivername="postgresql+psycopg", password=str(password) if password is not None else None
    )
    url = url.difference_update_query(["password"])
    options = {name: value for name, value in _CONNECTION.items() if name not in url.query}
    try:
        # prepare_threshold: a connection pooler may give each transaction another session
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
    """Set up a connection.

    WAL lets the gateway read while the worker writes. FULL, because the event log is trimmed after
    a commit.
    """
    # our own BEGIN: the driver's starts writes too late to be exclusive
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {1000 * _LOCK_WAIT_S}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the write lock at the start of a writing transaction."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _begin_postgresql(connection: sa.Connection) -> None:
    """Take the lock of all writers; it ends with the transaction or the connection."""
    if _writes(connection):
        idle_limit_s = int(connection.get_execution_options()["idle_limit_s"])
        connection.exec_driver_sql(
            f"SET LOCAL lock_timeout = '{_LOCK_WAIT_S}s';"
            f" SET LOCAL idle_in_transaction_session_timeout = '{idle_limit_s}s'"
        )
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _writes(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get("writes", False))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
