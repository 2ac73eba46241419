"""The journal's segments, its last number, and the place in the event log after it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cron.ledger import event_rows, schema, slate_rows
from cron.ledger.event_rows import EventTally, hour_of
from cron.ledger.ledger import Ledger
from cron.ledger.slate_rows import SlateCounts
from cron.lineage import Lease, Range, Segment, SlateSegment
from cron.ports import Cursor

_PAGE_ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSlates:
    """The segment of the slates of one batch, and their counts."""

    segment: SlateSegment
    counts: SlateCounts


def segments(ledger: Ledger, *, within: Range | None = None) -> tuple[Segment, ...]:
    """Return the journal's segments, or those with numbers in a range, ascending."""
    query = sa.select(schema.segments).order_by(schema.segments.c.first_seq)
    if within is not None:
        query = query.where(
            schema.segments.c.first_seq <= within[1], schema.segments.c.last_seq >= within[0]
        )
    return _segments(ledger, query)


def oldest_first(ledger: Ledger) -> Iterator[Segment]:
    """Yield the journal's segments, ascending, and read few more of them than are taken."""
    after = 0
    while True:
        columns = schema.segments.c
        query = sa.select(schema.segments).where(columns.first_seq > after)
        page = _segments(ledger, query.order_by(columns.first_seq).limit(_PAGE_ROWS))
        yield from page
        if len(page) < _PAGE_ROWS:
            return
        after = page[-1].first_seq


def short_segments(ledger: Ledger, *, records: int) -> tuple[Segment, ...]:
    """Return the segments of at most so many records, ascending."""
    columns = schema.segments.c
    query = sa.select(schema.segments).where(columns.last_seq - columns.first_seq < records)
    return _segments(ledger, query.order_by(columns.first_seq))


def numbers_by_name(ledger: Ledger) -> dict[str, Range]:
    """Return the numbers of each segment by its name, which is faster than all of them."""
    columns = schema.segments.c
    query = sa.select(columns.name, columns.first_seq, columns.last_seq)
    with ledger.read() as connection:
        return {name: (first, last) for name, first, last in connection.execute(query)}


def log_cursor(ledger: Ledger) -> Cursor:
    """Return the place in the event log after the newest segment."""
    with ledger.read() as connection:
        return Cursor(connection.execute(sa.select(schema.desk.c.log_cursor)).scalar_one())


def last_seq(ledger: Ledger) -> int:
    """Return the greatest journal number ever given, also to dropped segments; 0 if none."""
    with ledger.read() as connection:
        return int(connection.execute(sa.select(schema.desk.c.last_seq)).scalar_one())


def commit_segment(
    ledger: Ledger,
    segment: Segment | None,
    cursor: Cursor,
    lease: Lease,
    *,
    tally: EventTally | None = None,
    slates: NewSlates | None = None,
) -> None:
    """Add a segment with the counts of its events, that of the slates, and move the log cursor.

    Without a segment move only the cursor. There is none when all records were duplicates. Raise
    ValueError unless the segment starts right after the last number.
    """
    with ledger.write(lease) as connection:
        newest_seq = connection.execute(sa.select(schema.desk.c.last_seq)).scalar_one()
        values: dict[str, object] = {"log_cursor": cursor}
        if segment is not None:
            if segment.first_seq != newest_seq + 1 or segment.last_seq < segment.first_seq:
                raise ValueError(
                    f"segment {segment.name} starts at {segment.first_seq}, "
                    f"expected {newest_seq + 1}"
                )
            connection.execute(schema.segments.insert().values(_row(segment)))
            values["last_seq"] = segment.last_seq
        if tally is not None:
            event_rows.add(connection, tally)
        if slates is not None:
            slate_rows.add(connection, slates.segment, slates.counts, hour_of(ledger.now()))
        connection.execute(schema.desk.update().values(values))


def drop_segments(
    ledger: Ledger,
    names: Sequence[str],
    *,
    kept: Segment | None = None,
    lease: Lease | None = None,
) -> None:
    """Remove segments and, in the same transaction, add `kept`, their compaction."""
    with ledger.write(lease) as connection:
        connection.execute(schema.segments.delete().where(schema.segments.c.name.in_(names)))
        if kept is not None:
            connection.execute(schema.segments.insert().values(_row(kept)))


def adopt_segments(
    ledger: Ledger,
    adopted: Sequence[Segment],
    *,
    dropped: Collection[str],
    last_seq: int,
    cursor: Cursor,
    lease: Lease,
) -> None:
    """Add segments found in the store, remove the `dropped`, set the last number and the cursor.

    Users who were forgotten after the ledger's backup may have events in the adopted segments, so
    their erasure is due again.
    """
    with ledger.write(lease) as connection:
        connection.execute(schema.segments.delete().where(schema.segments.c.name.in_(dropped)))
        for segment in adopted:
            connection.execute(schema.segments.insert().values(_row(segment)))
        if adopted:
            connection.execute(schema.forgotten.update().values(erased_at=None))
        connection.execute(schema.desk.update().values(last_seq=last_seq, log_cursor=cursor))


def _segments(ledger: Ledger, query: sa.Select[Any]) -> tuple[Segment, ...]:
    with ledger.read() as connection:
        return tuple(
            Segment(**{**row._mapping, "last_at": datetime.fromisoformat(row.last_at)})
            for row in connection.execute(query)
        )


def _row(segment: Segment) -> dict[str, object]:
    values = {name: getattr(segment, name) for name in segment.__dataclass_fields__}
    return {**values, "last_at": segment.last_at.astimezone(UTC).isoformat()}
