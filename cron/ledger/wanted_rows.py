"""Briefs that were shown without a text of a writer: what to write next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from copywriter.brief import Brief
from cron.ledger import schema
from cron.ledger.ledger import Ledger

KEPT = 20_000  # the newest; a small model writes as many in a day


def add(ledger: Ledger, wanted: Mapping[Brief, int], *, keep: int = KEPT) -> None:
    """Count how often briefs were wanted; only the newest are kept."""
    table, now = schema.copy_wanted, ledger.now().isoformat()
    counts = {brief.digest(): (brief, number) for brief, number in wanted.items()}
    with ledger.write() as connection:
        for digest, (brief, number) in sorted(counts.items()):
            raised = {"num_wanted": table.c.num_wanted + number, "wanted_at": now}
            update = table.update().where(table.c.brief == digest).values(raised)
            if connection.execute(update).rowcount == 0:
                content = brief.as_json().decode()
                row = {"brief": digest, "content": content, "num_wanted": number}
                connection.execute(table.insert().values(wanted_at=now, **row))
        by_time = sa.select(table.c.wanted_at).order_by(table.c.wanted_at.desc())
        first_kept = connection.execute(by_time.offset(keep).limit(1)).scalar()
        if first_kept is not None:
            connection.execute(table.delete().where(table.c.wanted_at <= first_kept))


def most_wanted(ledger: Ledger, limit: int) -> tuple[Brief, ...]:
    """Return the briefs that were wanted most, the most first."""
    table = schema.copy_wanted.c
    query = sa.select(table.content).order_by(table.num_wanted.desc(), table.brief).limit(limit)
    with ledger.read() as connection:
        return tuple(Brief.from_json(one) for one in connection.execute(query).scalars())


def delete(ledger: Ledger, digests: frozenset[str]) -> None:
    """Delete briefs that have an outcome now."""
    table = schema.copy_wanted
    with ledger.write() as connection:
        connection.execute(table.delete().where(table.c.brief.in_(sorted(digests))))


def delete_old(ledger: Ledger, before: datetime) -> None:
    """Delete briefs that nobody wanted since a time."""
    table = schema.copy_wanted
    with ledger.write() as connection:
        connection.execute(table.delete().where(table.c.wanted_at < before.isoformat()))


def count(ledger: Ledger) -> int:
    """Return how many briefs wait."""
    query = sa.select(sa.func.count()).select_from(schema.copy_wanted)
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())
