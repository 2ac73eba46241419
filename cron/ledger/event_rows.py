"""Counts of collected events: by hour, and by the release whose list they name.

They are written in the transaction that commits the events' segment, so a crash or a rebuild counts
nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger

HOURS_KEPT = 14 * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTally:
    """Numbers of events to add, each by type. `hour`: of the collection, in hours since 1970.

    `num_named` are those that name a list; `of_releases` are by version and type.
    """

    hour: int
    num_events: Mapping[str, int]
    num_named: Mapping[str, int]
    of_releases: Mapping[tuple[int, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class HourOfEvents:
    """How many events were collected in the hour from `at` on, by type."""

    at: datetime
    num_events: Mapping[str, int]
    num_named: Mapping[str, int]


def hour_of(at: datetime) -> int:
    """Return the number of whole hours since 1970."""
    return int(at.timestamp()) // 3600


def add(connection: sa.Connection, tally: EventTally) -> None:
    """Add the counts within a transaction; events of lists of unknown releases are left out."""
    hours, lists = schema.event_hours, schema.list_events
    for type_, number in tally.num_events.items():
        key = {"hour": tally.hour, "type": type_}
        _increase(
            connection, hours, key, num_events=number, num_named=tally.num_named.get(type_, 0)
        )
    connection.execute(hours.delete().where(hours.c.hour <= tally.hour - HOURS_KEPT))
    versions = {version for version, _type in tally.of_releases}
    if not versions:
        return
    known = sa.select(schema.releases.c.version).where(
        schema.RELEASED & schema.releases.c.version.in_(versions)
    )
    released = set(connection.execute(known).scalars())
    for (version, type_), number in tally.of_releases.items():
        if version in released:
            _increase(connection, lists, {"version": version, "type": type_}, num_events=number)


def newest_hours(ledger: Ledger, *, num_hours: int, now: datetime) -> tuple[HourOfEvents, ...]:
    """Return the hours with events among the newest, the present one included, oldest first."""
    hours = schema.event_hours.c
    query = sa.select(schema.event_hours).where(hours.hour > hour_of(now) - num_hours)
    found: dict[int, tuple[dict[str, int], dict[str, int]]] = {}
    with ledger.read() as connection:
        for row in connection.execute(query.order_by(hours.hour, hours.type)):
            events, named = found.setdefault(row.hour, ({}, {}))
            events[row.type] = row.num_events
            if row.num_named:
                named[row.type] = row.num_named
    return tuple(
        HourOfEvents(at=_start_of(hour), num_events=events, num_named=named)
        for hour, (events, named) in found.items()
    )


def of_releases(ledger: Ledger, versions: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return the numbers of events that name a list of each of these releases, by type."""
    lists = schema.list_events.c
    query = sa.select(schema.list_events).where(lists.version.in_(versions)).order_by(lists.type)
    found: dict[int, dict[str, int]] = {}
    with ledger.read() as connection:
        for row in connection.execute(query):
            found.setdefault(row.version, {})[row.type] = row.num_events
    return found


def _increase(
    connection: sa.Connection, table: sa.Table, key: Mapping[str, object], **by: int
) -> None:
    is_row = sa.and_(*(table.c[name] == value for name, value in key.items()))
    increased = {name: table.c[name] + number for name, number in by.items()}
    if connection.execute(table.update().where(is_row).values(increased)).rowcount == 0:
        connection.execute(table.insert().values({**key, **by}))


def _start_of(hour: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
