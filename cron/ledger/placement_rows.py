"""Placements that were written over the API, stored as the history of their changes.

The newest change of a name says what the placement is now. The newest changes are kept, and the
newest one of each placement that exists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cron.errors import TooManyPlacements
from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.placement import (
    IMPRESSION,
    MAX_PLACEMENTS,
    Placement,
    parse_placement,
    placement_json,
)

KEPT = 10_000  # so that a program that changes placements cannot fill the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementChange:
    """Who changed a placement, when, and what it was before and after; None for no placement."""

    name: str
    at: datetime
    by: str
    before: Placement | None
    after: Placement | None


def change(
    ledger: Ledger, name: str, placement: Placement | None, *, by: str, keep: int = KEPT
) -> None:
    """Write a placement, or delete it with None; raise TooManyPlacements.

    A placement that is the same already is not written, and no change is recorded.
    """
    table = schema.placement_changes
    with ledger.write() as connection:
        existing = _existing(connection)
        before = existing.get(name)
        if before == placement:
            return
        if before is None and len(existing) >= MAX_PLACEMENTS:
            raise TooManyPlacements(limit=MAX_PLACEMENTS)
        row = {
            "name": name,
            "at": ledger.now().isoformat(),
            "changed_by": by,
            "before": _to_text(before),
            "after": _to_text(placement),
        }
        connection.execute(table.insert().values(row))
        newest = sa.select(table.c.id).order_by(table.c.id.desc())
        last_kept = connection.execute(newest.offset(keep - 1).limit(1)).scalar()
        if last_kept is not None:
            is_old = (table.c.id < last_kept) & table.c.id.not_in(_existing_ids())
            connection.execute(table.delete().where(is_old))


def every(ledger: Ledger) -> Mapping[str, Placement]:
    """Return the placements that exist, by name."""
    with ledger.read() as connection:
        return _existing(connection)


def changes(ledger: Ledger, name: str, num: int) -> tuple[PlacementChange, ...]:
    """Return the newest changes of a placement, newest first."""
    table = schema.placement_changes
    query = sa.select(table).where(table.c.name == name).order_by(table.c.id.desc()).limit(num)
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    return tuple(
        PlacementChange(
            name=row.name,
            at=datetime.fromisoformat(row.at),
            by=row.changed_by,
            before=_from_text(row.before),
            after=_from_text(row.after),
        )
        for row in rows
    )


def _existing(connection: sa.Connection) -> dict[str, Placement]:
    table = schema.placement_changes
    query = sa.select(table.c.name, table.c.after).where(table.c.id.in_(_existing_ids()))
    rows = connection.execute(query).all()
    found = {row.name: _parse(row.after) for row in rows}
    # not by the database, whose order of text depends on its locale
    return dict(sorted(found.items()))


def _existing_ids() -> sa.Select[tuple[int]]:
    """Return the query for the newest change of each name, unless it was a deletion."""
    table = schema.placement_changes
    newest = sa.select(sa.func.max(table.c.id)).group_by(table.c.name)
    return sa.select(table.c.id).where(table.c.id.in_(newest), table.c.after.is_not(None))


def _to_text(placement: Placement | None) -> str | None:
    return None if placement is None else json.dumps(placement_json(placement))


def _from_text(text: str | None) -> Placement | None:
    return None if text is None else _parse(text)


def _parse(text: str) -> Placement:
    """Parse a stored placement, without an exclusion of impressions, which was once allowed."""
    raw = json.loads(text)
    raw.get("exclude", {}).pop(IMPRESSION, None)
    return parse_placement(raw)
