"""Machines that were rented around trainings: asked for, joined, stopped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Rental

KEPT = 1_000  # stopped ones


def start(
    ledger: Ledger, run_id: int, *, machines: str, num_asked: int, price: float, lease: Lease
) -> Rental:
    """Record that machines are about to be asked for, and return the rental."""
    table = schema.rentals
    values = {
        "run_id": run_id,
        "machines": machines,
        "num_asked": num_asked,
        "price": price,
        "started_at": ledger.now().isoformat(),
    }
    with ledger.write(lease) as connection:
        key = connection.execute(table.insert().values(values)).inserted_primary_key
        assert key is not None
        old = (table.c.rental_id <= int(key[0]) - KEPT) & table.c.stopped_at.is_not(None)
        connection.execute(table.delete().where(old))
        is_new = table.c.rental_id == int(key[0])
        return _rental(connection.execute(sa.select(table).where(is_new)).one())


def record_joined(
    ledger: Ledger, rental_id: int, num_joined: int, *, is_enough: bool, lease: Lease
) -> None:
    """Record how many machines have joined, and that no more are waited for if it `is_enough`."""
    waited = {"joined_at": ledger.now().isoformat()} if is_enough else {}
    _update(ledger, rental_id, {"num_joined": num_joined, **waited}, lease=lease)


def end(ledger: Ledger, rental_id: int, *, lease: Lease) -> None:
    """Record that the machines of a rental were stopped."""
    _update(ledger, rental_id, {"stopped_at": ledger.now().isoformat()}, lease=lease)


def running(ledger: Ledger) -> tuple[Rental, ...]:
    """Return the rentals whose machines were not stopped yet, oldest first."""
    return _find(ledger, schema.rentals.c.stopped_at.is_(None))


def of_run(ledger: Ledger, run_id: int) -> tuple[Rental, ...]:
    """Return the rentals of a run, oldest first."""
    return _find(ledger, schema.rentals.c.run_id == run_id)


def _find(ledger: Ledger, where: sa.ColumnElement[bool]) -> tuple[Rental, ...]:
    table = schema.rentals
    with ledger.read() as connection:
        rows = connection.execute(sa.select(table).where(where).order_by(table.c.rental_id))
        return tuple(map(_rental, rows.all()))


def _update(ledger: Ledger, rental_id: int, values: Mapping[str, object], *, lease: Lease) -> None:
    table = schema.rentals
    with ledger.write(lease) as connection:
        connection.execute(table.update().where(table.c.rental_id == rental_id).values(values))


def _rental(row: schema.Row) -> Rental:
    return Rental(
        rental_id=row.rental_id,
        run_id=row.run_id,
        machines=row.machines,
        num_asked=row.num_asked,
        num_joined=row.num_joined,
        price=row.price,
        started_at=datetime.fromisoformat(row.started_at),
        joined_at=_time(row.joined_at),
        stopped_at=_time(row.stopped_at),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
