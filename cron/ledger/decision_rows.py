"""What people decided about what is live: who, when, what and why; the newest are kept."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Action, Decision

KEPT = 1_000  # so that a program that decides cannot fill the ledger


def add(
    ledger: Ledger,
    action: Action,
    *,
    version: int | None = None,
    by: str,
    why: str | None,
    keep: int = KEPT,
) -> None:
    """Record a decision, and remove all but the newest `keep`."""
    decisions = schema.decisions
    with ledger.write() as connection:
        row = {
            "at": ledger.now().isoformat(),
            "action": action,
            "version": version,
            "decided_by": by,
            "why": why,
        }
        connection.execute(decisions.insert().values(row))
        newest = sa.select(decisions.c.id).order_by(decisions.c.id.desc())
        last_kept = connection.execute(newest.offset(keep - 1).limit(1)).scalar()
        if last_kept is not None:
            connection.execute(decisions.delete().where(decisions.c.id < last_kept))


def newest(ledger: Ledger, num: int) -> tuple[Decision, ...]:
    """Return the newest decisions, newest first."""
    decisions = schema.decisions
    with ledger.read() as connection:
        rows = connection.execute(
            sa.select(decisions).order_by(decisions.c.id.desc()).limit(num)
        ).all()
    return tuple(
        Decision(
            at=datetime.fromisoformat(row.at),
            action=row.action,
            version=row.version,
            by=row.decided_by,
            why=row.why,
        )
        for row in rows
    )
