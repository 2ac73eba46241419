"""Counters that say whether the texts that may be shown have changed.

A gateway keeps the texts in memory, so that no answer reads the ledger. Those of the live writer
are only ever added, until an editor decides on one, old ones are deleted, or another writer is
live. So there are two counters.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cron.ledger import metric_rows, schema
from cron.ledger.ledger import Ledger

STORED, DECIDED = "copy_texts_stored", "copy_texts_decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChanges:
    """How often texts were added, and how often anything else of what is shown changed."""

    stored: float = 0.0
    decided: float = 0.0


def count_stored(connection: sa.Connection) -> None:
    """Count that texts were added, in the transaction that does it."""
    metric_rows.count_in(connection, STORED, 1)


def count_decided(connection: sa.Connection) -> None:
    """Count any other change of what is shown, in the transaction that does it."""
    metric_rows.count_in(connection, DECIDED, 1)


def changes(ledger: Ledger) -> TextChanges:
    """Return the counters: while they are equal, the same texts may be shown."""
    table = schema.metrics
    query = sa.select(table).where(table.c.name.in_((STORED, DECIDED)))
    with ledger.read() as connection:
        values = {row.name: float(row.value) for row in connection.execute(query)}
    return TextChanges(stored=values.get(STORED, 0.0), decided=values.get(DECIDED, 0.0))
