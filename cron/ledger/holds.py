"""Whether publishing is paused, and which journal numbers are never to be trained on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Hold, Range, merge_ranges


def current(ledger: Ledger) -> Hold | None:
    """Return why and since when publishing is paused; None when it is not."""
    with ledger.read() as connection:
        query = sa.select(schema.desk.c.hold_reason, schema.desk.c.hold_since)
        row = connection.execute(query).one()
    if row.hold_reason is None:
        return None
    return Hold(reason=row.hold_reason, since=datetime.fromisoformat(row.hold_since))


def pause(ledger: Ledger, reason: str) -> Hold:
    """Pause publishing and return the hold; an earlier hold and its reason stay."""
    with ledger.write() as connection:
        connection.execute(hold_unless_held(reason, ledger.now()))
    hold = current(ledger)
    # None: somebody resumed between the two transactions
    return hold if hold is not None else Hold(reason=reason, since=ledger.now())


def resume(ledger: Ledger, exclude: Sequence[Range] = ()) -> None:
    """Let publishing continue, and add `exclude` to the journal numbers never to be trained on."""
    with ledger.write() as connection:
        connection.execute(schema.desk.update().values(hold_reason=None, hold_since=None))
        before = connection.execute(sa.select(schema.excluded)).all()
        connection.execute(schema.excluded.delete())
        ranges = merge_ranges([*((row.first_seq, row.last_seq) for row in before), *exclude])
        if ranges:
            rows = [{"first_seq": first, "last_seq": last} for first, last in ranges]
            connection.execute(schema.excluded.insert(), rows)


def excluded_ranges(ledger: Ledger) -> tuple[Range, ...]:
    """Return the journal numbers never to be trained on, ascending and disjoint."""
    with ledger.read() as connection:
        query = sa.select(schema.excluded).order_by(schema.excluded.c.first_seq)
        return tuple((row.first_seq, row.last_seq) for row in connection.execute(query))


def hold_unless_held(reason: str, now: datetime) -> sa.Update:
    """Return the statement that sets a hold unless there is one."""
    return (
        schema.desk.update()
        .where(schema.desk.c.hold_reason.is_(None))
        .values(hold_reason=reason, hold_since=now.isoformat())
    )
