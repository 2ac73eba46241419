"""The segments of slates in the artifact store, and how many slates were collected by hour.

A dropped segment keeps its row until its file is deleted. So a stored file without a row was never
dropped: it is new to this ledger, for example because an older one was restored.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.event_rows import HOURS_KEPT, hour_of
from cron.ledger.ledger import Ledger
from cron.lineage import ExploredCount, Lease, SlateSegment

_DAY_HOURS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateCounts:
    """How many slates were collected in some time, and how many of them are fallbacks."""

    num_slates: int
    num_fallbacks: int


def segments(ledger: Ledger, *, since: datetime | None = None) -> tuple[SlateSegment, ...]:
    """Return the segments, or those with slates since a time, by the time of the first.

    Dropped ones are left out. They may overlap in time.
    """
    columns = schema.slate_segments.c
    query = sa.select(schema.slate_segments).where(~columns.is_dropped)
    if since is not None:
        query = query.where(columns.last_at >= _text(since))
    with ledger.read() as connection:
        return tuple(
            SlateSegment(
                name=row.name,
                sha256=row.sha256,
                first_at=datetime.fromisoformat(row.first_at),
                last_at=datetime.fromisoformat(row.last_at),
                num_slates=row.num_slates,
                size_bytes=row.size_bytes,
                explored=_counts_of(row.explored),
            )
            for row in connection.execute(query.order_by(columns.first_at, columns.name))
        )


def names(ledger: Ledger, *, dropped: bool = False) -> frozenset[str]:
    """Return the names of all segments, or of the dropped ones whose files may be left."""
    columns = schema.slate_segments.c
    query = sa.select(columns.name)
    if dropped:
        query = query.where(columns.is_dropped)
    with ledger.read() as connection:
        return frozenset(connection.execute(query).scalars())


def add(connection: sa.Connection, segment: SlateSegment, counts: SlateCounts, hour: int) -> None:
    """Add a segment of collected slates, and its counts to an hour, within a transaction."""
    _put_row(connection, segment)
    hours = schema.slate_hours
    increased = hours.update().where(hours.c.hour == hour)
    increased = increased.values(
        num_slates=hours.c.num_slates + counts.num_slates,
        num_fallbacks=hours.c.num_fallbacks + counts.num_fallbacks,
    )
    if connection.execute(increased).rowcount == 0:
        values = {"num_slates": counts.num_slates, "num_fallbacks": counts.num_fallbacks}
        connection.execute(hours.insert().values(hour=hour, **values))
    connection.execute(hours.delete().where(hours.c.hour <= hour - HOURS_KEPT))


def replace(
    ledger: Ledger, dropped: Sequence[str], *, kept: SlateSegment | None = None, lease: Lease
) -> None:
    """Drop segments and, in the same transaction, add the one that has what stays of them."""
    table = schema.slate_segments
    with ledger.write(lease) as connection:
        connection.execute(
            table.update().where(table.c.name.in_(dropped)).values(is_dropped=sa.true())
        )
        if kept is not None:
            _put_row(connection, kept)


def adopt(
    ledger: Ledger, adopted: Sequence[SlateSegment], *, gone: Collection[str], lease: Lease
) -> None:
    """Add segments that were found in the store, and remove the rows of those that are gone."""
    table = schema.slate_segments
    with ledger.write(lease) as connection:
        connection.execute(table.delete().where(table.c.name.in_(gone)))
        for segment in adopted:
            _put_row(connection, segment)


def store_explored(
    ledger: Ledger, name: str, counts: Sequence[ExploredCount], *, lease: Lease
) -> None:
    """Store in how many slates of a segment chance had a part."""
    table = schema.slate_segments
    with ledger.write(lease) as connection:
        connection.execute(
            table.update().where(table.c.name == name).values(explored=_explored_text(counts))
        )


def remove_dropped(ledger: Ledger, deleted: Collection[str], *, lease: Lease) -> None:
    """Remove the rows of dropped segments whose files are deleted."""
    table = schema.slate_segments
    with ledger.write(lease) as connection:
        connection.execute(table.delete().where(table.c.name.in_(deleted) & table.c.is_dropped))


def counts_of_day(ledger: Ledger, *, now: datetime) -> SlateCounts:
    """Count the slates that were collected in the last 24 hours, the present one included."""
    return counts_since(ledger, now - timedelta(hours=_DAY_HOURS - 1))


def counts_since(ledger: Ledger, at: datetime) -> SlateCounts:
    """Count the slates that were collected since the hour of a time began."""
    hours = schema.slate_hours.c
    query = sa.select(
        sa.func.coalesce(sa.func.sum(hours.num_slates), 0),
        sa.func.coalesce(sa.func.sum(hours.num_fallbacks), 0),
    ).where(hours.hour >= hour_of(at))
    with ledger.read() as connection:
        num_slates, num_fallbacks = connection.execute(query).one()
    return SlateCounts(num_slates=int(num_slates), num_fallbacks=int(num_fallbacks))


def _put_row(connection: sa.Connection, segment: SlateSegment) -> None:
    """Add a segment whose file was stored just now.

    The same rows under the same lease have the same name. So the ledger may have it already: its
    file was adopted after a transaction that failed, or it waits to be deleted.
    """
    table = schema.slate_segments
    connection.execute(table.delete().where(table.c.name == segment.name))
    connection.execute(table.insert().values(_row(segment)))


def _row(segment: SlateSegment) -> dict[str, object]:
    return {
        "name": segment.name,
        "sha256": segment.sha256,
        "first_at": _text(segment.first_at),
        "last_at": _text(segment.last_at),
        "num_slates": segment.num_slates,
        "size_bytes": segment.size_bytes,
        "explored": _explored_text(segment.explored),
    }


def _counts_of(text: str | None) -> tuple[ExploredCount, ...] | None:
    return None if text is None else tuple(ExploredCount(**one) for one in json.loads(text))


def _explored_text(counts: Sequence[ExploredCount] | None) -> str | None:
    return None if counts is None else json.dumps([asdict(one) for one in counts])


def _text(at: datetime) -> str:
    """Return a time as text that sorts by time, so always with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
