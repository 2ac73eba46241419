"""The writers of texts by digest, and which one is live.

The live one is that which was made live last; a rollback makes the one before it live again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from cron.ledger import schema, text_changes
from cron.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWriter:
    """A writer: a release on TorchServe with version and archive, or a remote one without."""

    digest: str
    name: str
    version: int | None
    archive: str | None
    verdict: str | None
    added_at: datetime
    live_at: datetime | None


def add(
    ledger: Ledger,
    digest: str,
    *,
    name: str,
    version: int | None = None,
    archive: str | None = None,
    verdict: str | None = None,
) -> None:
    """Add a writer that is not live; one that is known gets the new version and verdict."""
    table = schema.copy_writers
    values = {"name": name, "version": version, "archive": archive, "verdict": verdict}
    with ledger.write() as connection:
        update = table.update().where(table.c.digest == digest).values(values)
        if connection.execute(update).rowcount == 0:
            row = {"digest": digest, "added_at": ledger.now().isoformat(), **values}
            connection.execute(table.insert().values(row))


def set_live(ledger: Ledger, digest: str) -> None:
    """Make a known writer the live one; nothing changes if it is."""
    table = schema.copy_writers
    with ledger.write() as connection:
        newest = connection.execute(_by_time().limit(1)).first()
        if newest is not None and newest.digest == digest:
            return
        at = ledger.now()
        if newest is not None:  # the clock may stand still or have been set back
            at = max(at, datetime.fromisoformat(newest.live_at) + timedelta(microseconds=1))
        update = table.update().where(table.c.digest == digest)
        connection.execute(update.values(live_at=at.isoformat(timespec="microseconds")))
        text_changes.count_decided(connection)


def retire(ledger: Ledger, digest: str) -> None:
    """Take a writer back: it is no longer live, and the one that was live before it is."""
    table = schema.copy_writers
    with ledger.write() as connection:
        connection.execute(table.update().where(table.c.digest == digest).values(live_at=None))
        text_changes.count_decided(connection)


def forget_archive(ledger: Ledger, digest: str) -> None:
    """Note that the archive of a writer was deleted; it can't be live again."""
    table = schema.copy_writers
    gone = {"archive": None, "version": None, "live_at": None}
    with ledger.write() as connection:
        connection.execute(table.update().where(table.c.digest == digest).values(gone))
        text_changes.count_decided(connection)


def live(ledger: Ledger) -> KnownWriter | None:
    """Return the live writer; None before the first."""
    with ledger.read() as connection:
        row = connection.execute(_by_time().limit(1)).first()
    return None if row is None else _writer(row)


def live_digest() -> sa.Select[tuple[str]]:
    """Select the digest of the live writer, for a query of more."""
    table = schema.copy_writers.c
    return (
        sa.select(table.digest)
        .where(table.live_at.is_not(None))
        .order_by(table.live_at.desc(), table.digest)
        .limit(1)
    )


def every(ledger: Ledger) -> tuple[KnownWriter, ...]:
    """Return all writers, the newest first."""
    table = schema.copy_writers
    query = sa.select(table).order_by(table.c.added_at.desc(), table.c.digest)
    with ledger.read() as connection:
        return tuple(_writer(row) for row in connection.execute(query))


def next_version(ledger: Ledger) -> int:
    """Return the version of the next writer on TorchServe."""
    query = sa.select(sa.func.max(schema.copy_writers.c.version))
    with ledger.read() as connection:
        return (connection.execute(query).scalar() or 0) + 1


def _by_time() -> sa.Select[tuple[object, ...]]:
    table = schema.copy_writers
    is_live = table.c.live_at.is_not(None)
    return sa.select(table).where(is_live).order_by(table.c.live_at.desc(), table.c.digest)


def _writer(row: sa.Row[tuple[object, ...]]) -> KnownWriter:
    return KnownWriter(
        digest=row.digest,
        name=row.name,
        version=row.version,
        archive=row.archive,
        verdict=row.verdict,
        added_at=datetime.fromisoformat(row.added_at),
        live_at=None if row.live_at is None else datetime.fromisoformat(row.live_at),
    )
