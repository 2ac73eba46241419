"""What writing cost and how many texts were shown by hour, and the rules that texts broke."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from copywriter.ready_text import CopySource
from copywriter.writing.verified import VerifiedText
from cron.ledger import metric_rows, schema
from cron.ledger.ledger import Ledger

HOUR_S = 3_600
_KEPT_HOURS = 24 * 35
# counters since the ledger was made, followed by the source of a text
SHOWN, MADE = "copy_shown:", "copy_made:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCost:
    """What writing cost, and how many texts it gave; templates took the place of the others."""

    seconds: float = 0.0
    cost: float = 0.0
    prompt_tokens: int = 0
    output_tokens: int = 0
    num_written: int = 0
    num_templates: int = 0


def add(ledger: Ledger, cost: CopyCost) -> None:
    """Add to this hour's cost; hours that are five weeks old are deleted."""
    table, hour = schema.copy_hours, _hour(ledger)
    values = {name: getattr(cost, name) for name in CopyCost.__dataclass_fields__}
    raised = {name: table.c[name] + value for name, value in values.items()}
    with ledger.write() as connection:
        update = table.update().where(table.c.hour == hour).values(raised)
        if connection.execute(update).rowcount == 0:
            connection.execute(table.insert().values(hour=hour, **values))
        connection.execute(table.delete().where(table.c.hour < hour - _KEPT_HOURS))
        for source, number in (("writer", cost.num_written), ("template", cost.num_templates)):
            metric_rows.count_in(connection, MADE + source, number)


def this_hour(ledger: Ledger) -> CopyCost:
    """Return what was spent in this hour."""
    return _sums(ledger, first_hour=_hour(ledger))


def last_hours(ledger: Ledger, num_hours: int) -> CopyCost:
    """Return what was spent in the last hours, this one included."""
    return _sums(ledger, first_hour=_hour(ledger) - num_hours + 1)


def count_shown(ledger: Ledger, shown: Mapping[CopySource, int]) -> None:
    """Count the texts that answers had in this hour; hours that are five weeks old are deleted."""
    table, hour = schema.copy_shown, _hour(ledger)
    with ledger.write() as connection:
        for source, number in sorted(shown.items()):
            is_row = (table.c.hour == hour) & (table.c.source == source)
            raised = table.update().where(is_row).values(num_texts=table.c.num_texts + number)
            if connection.execute(raised).rowcount == 0:
                row = {"hour": hour, "source": source, "num_texts": number}
                connection.execute(table.insert().values(row))
            metric_rows.count_in(connection, SHOWN + source, number)
        connection.execute(table.delete().where(table.c.hour < hour - _KEPT_HOURS))


def shown_in(ledger: Ledger, num_hours: int) -> Mapping[str, int]:
    """Return how many texts answers had in the last hours, this one included, by source."""
    table = schema.copy_shown
    query = (
        sa.select(table.c.source, sa.func.sum(table.c.num_texts))
        .where(table.c.hour > _hour(ledger) - num_hours)
        .group_by(table.c.source)
    )
    with ledger.read() as connection:
        return {row[0]: int(row[1]) for row in connection.execute(query)}


def count_rules(connection: sa.Connection, texts: Sequence[VerifiedText]) -> None:
    """Count the rules that rejected texts broke, each once a text."""
    table = schema.copy_rules
    counts = Counter(
        rule
        for one in texts
        for rejected in one.rejected
        for rule in {violation.rule for violation in rejected.violations}
    )
    for rule, number in sorted(counts.items()):
        raised = table.update().where(table.c.rule == rule)
        changed = connection.execute(raised.values(num_texts=table.c.num_texts + number))
        if changed.rowcount == 0:
            connection.execute(table.insert().values(rule=rule, num_texts=number))


def by_rule(ledger: Ledger) -> Mapping[str, int]:
    """Return how many texts broke each rule, the most first."""
    table = schema.copy_rules
    query = sa.select(table).order_by(table.c.num_texts.desc(), table.c.rule)
    with ledger.read() as connection:
        return {row.rule: row.num_texts for row in connection.execute(query)}


def _hour(ledger: Ledger) -> int:
    return int(ledger.now().timestamp()) // HOUR_S


def _sums(ledger: Ledger, *, first_hour: int) -> CopyCost:
    table = schema.copy_hours
    names = list(CopyCost.__dataclass_fields__)
    sums = [sa.func.coalesce(sa.func.sum(table.c[name]), 0) for name in names]
    query = sa.select(*sums).where(table.c.hour >= first_hour)
    with ledger.read() as connection:
        row = connection.execute(query).one()
    seconds, cost, *counts = row
    return CopyCost(
        **dict(zip(names[2:], map(int, counts), strict=True)),
        seconds=float(seconds),
        cost=float(cost),
    )
