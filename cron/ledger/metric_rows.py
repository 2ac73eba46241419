"""Quality metrics of each run, and the counters and gauges that outlive a process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Quality


def add_quality(ledger: Ledger, rows: Sequence[Quality], *, lease: Lease) -> None:
    """Store quality metrics; rows that a run already stored stay."""
    quality = schema.quality.c
    with ledger.write(lease) as connection:
        for row in rows:
            is_same = (
                (quality.run_id == row.run_id)
                & (quality.kind == row.kind)
                & (quality.model == row.model)
            )
            if connection.execute(sa.select(quality.run_id).where(is_same)).first() is None:
                values = {name: getattr(row, name) for name in row.__dataclass_fields__}
                values["at"] = row.at.isoformat()
                connection.execute(schema.quality.insert().values(values))


def newest_quality(ledger: Ledger, limit: int = 1000) -> tuple[Quality, ...]:
    """Return the newest quality metrics, oldest first."""
    with ledger.read() as connection:
        query = sa.select(schema.quality).order_by(schema.quality.c.run_id.desc()).limit(limit)
        rows = connection.execute(query).all()
    return tuple(
        Quality(**{**row._mapping, "at": datetime.fromisoformat(row.at)}) for row in reversed(rows)
    )


def count(ledger: Ledger, name: str, by: float = 1.0) -> None:
    """Raise a counter."""
    with ledger.write() as connection:
        count_in(connection, name, by)


def count_in(connection: sa.Connection, name: str, by: float) -> None:
    """Raise a counter in a transaction that writes more."""
    metrics = schema.metrics
    raised = metrics.update().where(metrics.c.name == name).values(value=metrics.c.value + by)
    if connection.execute(raised).rowcount == 0:
        connection.execute(metrics.insert().values(name=name, value=by))


def set_gauge(ledger: Ledger, name: str, value: float) -> None:
    """Store the value of a gauge in place of the one before."""
    metrics = schema.metrics
    with ledger.write() as connection:
        connection.execute(metrics.delete().where(metrics.c.name == name))
        connection.execute(metrics.insert().values(name=name, value=value))


def stored_metrics(ledger: Ledger) -> dict[str, float]:
    """Return the counters and gauges by name."""
    with ledger.read() as connection:
        return {row.name: row.value for row in connection.execute(sa.select(schema.metrics))}
