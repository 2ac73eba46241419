"""The row of the lease: who may write for the cycle now. Reads and writes it in a transaction of the ledger's; decides nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cron.errors import LeaseLost
from cron.ledger import schema
from cron.lineage import Lease


def check(connection: sa.Connection, lease: Lease) -> None:
    """Raise LeaseLost when a lease is not the newest, or another holder has its number: an older ledger was put back since."""
    held = connection.execute(sa.select(schema.lease)).one()
    if (held.token, held.holder) != (lease.token, lease.holder):
        raise LeaseLost(holder=held.holder or "nobody")


def is_held_by(lease: Lease) -> sa.ColumnElement[bool]:
    """Return the condition that a lease is the one in force."""
    return (schema.lease.c.token == lease.token) & (schema.lease.c.holder == lease.holder)


def acquire(connection: sa.Connection, holder: str, ttl_s: float, now: datetime) -> Lease | None:
    """Take the lease when it is free, expired, or the holder's own; None when another holds it."""
    held = connection.execute(sa.select(schema.lease)).one()
    if held.holder not in ("", holder) and datetime.fromisoformat(held.expires_at) > now:
        return None
    lease = Lease(holder=holder, token=held.token + 1)
    connection.execute(
        schema.lease.update().values(
            holder=holder, token=lease.token, expires_at=_after(now, ttl_s)
        )
    )
    return lease


def renew(connection: sa.Connection, ttl_s: float, now: datetime) -> None:
    """Let the lease last longer from now."""
    connection.execute(schema.lease.update().values(expires_at=_after(now, ttl_s)))


def clock(connection: sa.Connection) -> datetime | None:
    """Return the database server's time, UTC; None where the database is a file, which has none."""
    if connection.dialect.name == "sqlite":
        return None
    at: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return at.astimezone(UTC)


def _after(now: datetime, ttl_s: float) -> str:
    return (now + timedelta(seconds=ttl_s)).isoformat()
