"""What exploring costs, by placement and policy, as it was measured last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from cron.experiments.exploration_price import ExplorationPrice, PlacementPrice
from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease

_NO_PLACEMENT = ""


def replace_all(
    ledger: Ledger, prices: Sequence[PlacementPrice], *, at: datetime, lease: Lease
) -> None:
    """Store the prices in place of all earlier ones, and when they were measured."""
    table = schema.exploration_prices
    with ledger.write(lease) as connection:
        connection.execute(schema.desk.update().values(exploration_measured_at=at.isoformat()))
        connection.execute(table.delete())
        for one in prices:
            connection.execute(
                table.insert().values(
                    placement=one.placement or _NO_PLACEMENT,
                    policy=one.policy,
                    measured_at=one.measured_at.isoformat(),
                    price=json.dumps(asdict(one.price)),
                )
            )


def measured_at(ledger: Ledger) -> datetime | None:
    """Return when the prices were measured last, even if there were none; None for never."""
    with ledger.read() as connection:
        found = connection.execute(sa.select(schema.desk.c.exploration_measured_at)).scalar_one()
    return None if found is None else datetime.fromisoformat(found)


def every(ledger: Ledger) -> tuple[PlacementPrice, ...]:
    """Return the prices, by placement and policy."""
    table = schema.exploration_prices
    query = sa.select(table).order_by(table.c.placement, table.c.policy)
    with ledger.read() as connection:
        return tuple(
            PlacementPrice(
                placement=row.placement or None,
                policy=row.policy,
                measured_at=datetime.fromisoformat(row.measured_at),
                price=ExplorationPrice(**json.loads(row.price)),
            )
            for row in connection.execute(query)
        )
