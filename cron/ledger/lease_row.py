"""The lease: which worker may run cycles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger, check_lease_in
from cron.lineage import Lease


def acquire(ledger: Ledger, holder: str, ttl_s: float, now: datetime) -> Lease | None:
    """Take the lease if it is free, expired or the holder's own; None when another holds it.

    It is the holder's own when an earlier process of the same holder took it.
    """
    with ledger.write() as connection:
        current = connection.execute(sa.select(schema.lease)).one()
        is_free = current.holder in ("", holder)
        if not is_free and datetime.fromisoformat(current.expires_at) > now:
            return None
        lease = Lease(holder=holder, token=current.token + 1)
        values = {"holder": holder, "token": lease.token, "expires_at": _expiry(now, ttl_s)}
        connection.execute(schema.lease.update().values(values))
        return lease


def renew(ledger: Ledger, lease: Lease, ttl_s: float, now: datetime) -> None:
    """Extend the lease to `now` + `ttl_s`; raise LeaseLost when another worker took it."""
    with ledger.write(lease) as connection:
        connection.execute(schema.lease.update().values(expires_at=_expiry(now, ttl_s)))


def check(ledger: Ledger, lease: Lease) -> None:
    """Raise LeaseLost when another worker took the lease.

    Call it before a change outside the ledger, which no transaction protects.
    """
    with ledger.read() as connection:
        check_lease_in(connection, lease)


def clock(ledger: Ledger) -> datetime:
    """Return the time that leases are measured by, UTC.

    It is the database server's, so that hosts whose clocks differ agree; for an SQLite file it is
    this process's clock.
    """
    with ledger.read() as connection:
        if connection.dialect.name == "sqlite":
            return ledger.now()
        at: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return at.astimezone(UTC)


def release(ledger: Ledger, lease: Lease) -> None:
    """Give the lease back, so that another worker can take it at once; a lost lease is ignored."""
    is_current = (schema.lease.c.token == lease.token) & (schema.lease.c.holder == lease.holder)
    with ledger.write() as connection:
        connection.execute(schema.lease.update().where(is_current).values(holder=""))


def holder(ledger: Ledger) -> str | None:
    """Return who holds the lease, expired or not; None when it was released."""
    with ledger.read() as connection:
        return connection.execute(sa.select(schema.lease.c.holder)).scalar_one() or None


def _expiry(now: datetime, ttl_s: float) -> str:
    return (now + timedelta(seconds=ttl_s)).isoformat()
