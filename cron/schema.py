"""The ledger's tables and how its database is opened; says nothing of what the rows mean.

SQLAlchemy Core, so that the same statements run on SQLite (one machine) and PostgreSQL (several).
Times are aware UTC in ISO 8601, which sorts as text; structured values are JSON text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from cron.errors import SettingsError, Unavailable

metadata = sa.MetaData()
Row = sa.Row[tuple[object, ...]]

segments = sa.Table(
    "segments",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("first_seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("num_events", sa.BigInteger, nullable=False),
    sa.Column("num_items", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.Text, nullable=False),
)

# one row, id 1: what is true now
desk = sa.Table(
    "desk",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("log_cursor", sa.Text, nullable=False, server_default=""),
    sa.Column("last_seq", sa.BigInteger, nullable=False, server_default="0"),  # kept when segments are dropped
    sa.Column("next_version", sa.Integer, nullable=False, server_default="1"),  # 0 is the baseline
    sa.Column("live", sa.Integer),
    sa.Column("switching_to", sa.Integer),
    sa.Column("switch_kind", sa.Text),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("hold_reason", sa.Text),
    sa.Column("hold_since", sa.Text),
)

# one row, id 1
lease = sa.Table(
    "lease",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False, server_default=""),
    sa.Column("token", sa.Integer, nullable=False, server_default="0"),
    sa.Column("expires_at", sa.Text, nullable=False, server_default=""),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("mode", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("reasons", sa.Text, nullable=False, server_default="[]"),
    sa.Column("figures", sa.Text, nullable=False, server_default="{}"),
    sa.Column("supersedes", sa.Integer),
    sa.Column("version", sa.Integer),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("count", sa.Integer, nullable=False, server_default="1"),
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
)

# every archive that was put; a release from published_at on
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("published_at", sa.Text),
    sa.Column("rolled_back_at", sa.Text),
    sa.Column("archive_gone", sa.Boolean, nullable=False, server_default=sa.false()),
)

RELEASED = releases.c.published_at.is_not(None)
_NUM_NAMED = 20  # versions that a message names

excluded = sa.Table(
    "excluded",
    metadata,
    sa.Column("first_seq", sa.BigInteger, primary_key=True),
    sa.Column("last_seq", sa.BigInteger, primary_key=True),
)

quality = sa.Table(
    "quality",
    metadata,
    sa.Column("run_id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer),
    sa.Column("ndcg", sa.Float, nullable=False),
    sa.Column("rmse", sa.Float),
    sa.Column("num_users", sa.Integer, nullable=False),
    sa.Column("num_events", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)

# counters and gauges that outlive a process: missed ticks, failed switches, seconds of the last rollback
figures = sa.Table(
    "figures",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)


def open_engine(url: str) -> sa.Engine:
    """Open the database of a ledger, creating what is missing; a relative SQLite path starts at the working folder."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise SettingsError(f"store.ledger: {url!r} is no database URL; for example sqlite:///var/ledger.db") from error
    if parsed.get_backend_name() == "sqlite":
        if parsed.database is None:
            raise SettingsError(f"store.ledger: {url!r} names no file, and a ledger in memory forgets; for example sqlite:///var/ledger.db")
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable("the ledger", where=parsed.database, why=str(error)) from error
    engine = sa.create_engine(parsed)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    with answering(engine):
        _create(engine)
    return engine


@contextmanager
def answering(engine: sa.Engine) -> Iterator[None]:
    """Turn what a database says that is away, locked, or out of disk into Unavailable: the call may be repeated."""
    try:
        yield
    except sa.exc.OperationalError as error:
        raise Unavailable("the ledger", where=engine.url.render_as_string(hide_password=True), why=str(error.orig)) from error


def newest_releases(connection: sa.Connection) -> list[int]:
    """Return the newest versions that are or were live, ascending, as many as a message can name."""
    newest = sa.select(releases.c.version).where(RELEASED).order_by(releases.c.version.desc()).limit(_NUM_NAMED)
    return sorted(connection.execute(newest).scalars())


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """WAL lets the gateway read while the worker writes; FULL because the event log is trimmed after our commit."""
    connection.isolation_level = None  # BEGIN is ours: the driver's own would start writes too late to be exclusive
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the write lock at the start of a writing transaction: read, decide, write is then one step."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _create(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if sa.inspect(connection).has_table("figures"):
            return
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        metadata.create_all(connection)
        for table in (desk, lease):
            if connection.execute(sa.select(table.c.id)).first() is None:
                connection.execute(table.insert().values(id=1))
