"""Segments of the journal: records as rows of a Parquet file, and back.

A compacted segment replaces older ones: it holds the newest record of each of their items, and the
bare ids of everything else, which must never be accepted again.

A file has columns for the details of events only if one of its events has that detail, and those
of facts only if it has facts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cron.epoch import micros, moment
from cron.lineage import Range
from recommender.records.event_details import DETAILS, EventDetails
from recommender.records.events import Event, Item, Record
from recommender.records.facts import Fact

ROWS_IN_A_GROUP = 16_384  # a part of a large segment is read by groups of rows

_BASE = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("type", pa.string()),
        pa.field("rating", pa.float64()),
        pa.field("at_us", pa.int64(), nullable=False),
        pa.field("payload", pa.string()),
    ]
)
_NUMBERS = ("value", "quantity", "dwell_s")
_DETAIL_TYPES = {name: pa.string() for name in DETAILS} | dict.fromkeys(_NUMBERS, pa.float64())
_FACT_TYPES = {"relation": pa.string(), "tail": pa.string(), "withdrawn": pa.bool_()}
_OPTIONAL_TYPES = {**_DETAIL_TYPES, **_FACT_TYPES}
# kind: event, item, fact, or id (of a record that retention dropped, or that was erased with a
# forgotten user). item_id: also the head of a fact. payload: an item's title, text, attributes,
# hidden, images if any, and deleted if it is, as JSON. Then the details of events, and the rest of
# facts.
SCHEMA = pa.schema([*_BASE, *(pa.field(name, type_) for name, type_ in _OPTIONAL_TYPES.items())])
FACT_KEY = ("item_id", "relation", "tail")
FACT_COLUMNS = ["kind", *FACT_KEY, "withdrawn", "at_us", "event_id"]


def table_of(records: Sequence[Record], *, first_seq: int) -> pa.Table:
    """Number the records from `first_seq` on and return them as rows."""
    rows = [_row(record) for record in records]
    columns = list(zip(*rows, strict=True)) if rows else [()] * (len(_BASE) - 1)
    numbers = pa.array(range(first_seq, first_seq + len(rows)), pa.int64())
    arrays = [
        numbers,
        *(
            pa.array(column, field.type)
            for column, field in zip(columns, list(_BASE)[1:], strict=True)
        ),
    ]
    table = _with_details(pa.table(arrays, schema=_BASE), [_details_of(one) for one in records])
    return _with_facts(table, records)


def records_of(table: pa.Table) -> list[Record]:
    """Return the records of rows in row order; bare ids are left out."""
    rows = _without_absent_columns(table).to_pylist()
    return [record for row in rows if (record := _record(row)) is not None]


def parts_of(table: pa.Table, *, part_bytes: int) -> Iterator[pa.Table]:
    """Split rows into tables of about `part_bytes`; as records they take several times as much."""
    num_parts = -(-size_bytes(table) // part_bytes)
    num_rows = max(1, table.num_rows // max(1, num_parts))
    for start in range(0, table.num_rows, num_rows):
        yield table.slice(start, num_rows)


def size_bytes(table: pa.Table) -> int:
    """Return the memory that rows take, without the columns that none of them uses."""
    return int(_without_absent_columns(table).nbytes)


def latest_items(table: pa.Table) -> pa.Table:
    """Return each item's row with the greatest (at, event_id), by item id."""
    return _latest(table.filter(pc.equal(table["kind"], "item")), ["item_id"])


def latest_facts(table: pa.Table) -> pa.Table:
    """Return each fact's row with the greatest (at, event_id), by head, relation and tail.

    Withdrawn ones are included.
    """
    return _latest(table.filter(pc.equal(table["kind"], "fact")), FACT_KEY)


def latest_records(table: pa.Table) -> pa.Table:
    """Return the latest rows of items and of facts."""
    return pa.concat_tables([latest_items(table), latest_facts(table)])


def compact(table: pa.Table, *, only: pa.ChunkedArray | None = None) -> pa.Table:
    """Return what must stay of dropped rows: the latest items and facts, and all other ids.

    Of the latest items and facts, `only` those with these numbers stay.
    """
    latest = latest_records(table)
    if only is not None:
        latest = latest.filter(pc.is_in(latest["seq"], value_set=only.combine_chunks()))
    is_latest = pc.is_in(table["seq"], value_set=latest["seq"].combine_chunks())
    ids = table.filter(pc.invert(is_latest))
    return pa.concat_tables([latest, bare_ids(ids)]).sort_by("seq")


def bare_ids(table: pa.Table) -> pa.Table:
    """Return rows reduced to number, event id and time."""
    kept = {
        "seq": table["seq"],
        "event_id": table["event_id"],
        "at_us": table["at_us"],
        "kind": pa.repeat("id", table.num_rows),
    }
    empty = {field.name: pa.nulls(table.num_rows, field.type) for field in SCHEMA}
    return pa.table({**empty, **kept}, schema=SCHEMA)


def write(table: pa.Table, path: Path) -> None:
    """Write rows, in order of their numbers, to a Parquet file."""
    pq.write_table(
        _without_absent_columns(table), path, compression="zstd", row_group_size=ROWS_IN_A_GROUP
    )


def read(
    path: Path, columns: Sequence[str] | None = None, *, numbers: Range | None = None
) -> pa.Table:
    """Return rows, or some columns of them, or those in a range of numbers."""
    names = SCHEMA.names if columns is None else list(columns)
    inside = None
    if numbers is not None:
        inside = [("seq", ">=", numbers[0]), ("seq", "<=", numbers[1])]
    table = pq.read_table(path, columns=names, filters=inside, schema=SCHEMA, use_threads=False)
    return table.select(names)


def _row(record: Record) -> tuple[object, ...]:
    at_us = micros(record.at)
    if isinstance(record, Event):
        return (
            "event",
            record.event_id,
            record.user_id,
            record.item_id,
            record.type,
            record.rating,
            at_us,
            None,
        )
    if isinstance(record, Fact):
        return ("fact", record.event_id, None, record.head, None, None, at_us, None)
    values: dict[str, object] = {
        "title": record.title,
        "text": record.text,
        "attributes": dict(record.attributes),
        "hidden": record.hidden,
    }
    if record.images:
        values["images"] = record.images
    if record.deleted:
        values["deleted"] = True
    return (
        "item",
        record.event_id,
        None,
        record.item_id,
        None,
        None,
        at_us,
        json.dumps(values, ensure_ascii=False),
    )


def _without_absent_columns(table: pa.Table) -> pa.Table:
    absent = [name for name in _OPTIONAL_TYPES if table[name].null_count == table.num_rows]
    return table.drop_columns(absent)


def _latest(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the row with the greatest (at, event_id) of each key, by key."""
    rows = table.sort_by([(name, "ascending") for name in (*key, "at_us", "event_id")])
    if rows.num_rows == 0:
        return rows
    differs = pa.array(np.zeros(rows.num_rows - 1, np.bool_))
    for name in key:
        values = rows[name].combine_chunks()
        differs = pc.or_(differs, pc.not_equal(values[:-1], values[1:]))
    return rows.filter(pa.concat_arrays([differs, pa.array([True])]))


def _details_of(record: Record) -> EventDetails | None:
    return record.details if isinstance(record, Event) else None


def _with_details(table: pa.Table, details: Sequence[EventDetails | None]) -> pa.Table:
    """Append the columns of the details, one entry per row."""
    given = [(row, one) for row, one in enumerate(details) if one is not None]
    for name, type_ in _DETAIL_TYPES.items():
        values: list[object] = [None] * len(details)
        for row, one in given:
            values[row] = getattr(one, name)
        column = pa.array(values, type_) if given else pa.nulls(len(details), type_)
        table = table.append_column(SCHEMA.field(name), column)
    return table


def _with_facts(table: pa.Table, records: Sequence[Record]) -> pa.Table:
    """Append the columns of the facts, one entry per row."""
    given = [(row, one) for row, one in enumerate(records) if isinstance(one, Fact)]
    for name, type_ in _FACT_TYPES.items():
        values: list[object] = [None] * len(records)
        for row, one in given:
            values[row] = getattr(one, name)
        column = pa.array(values, type_) if given else pa.nulls(len(records), type_)
        table = table.append_column(SCHEMA.field(name), column)
    return table


def _record(row: dict[str, object]) -> Record | None:
    at_us, event_id, item_id = row["at_us"], row["event_id"], row["item_id"]
    if row["kind"] == "id":
        return None
    assert isinstance(at_us, int)
    assert isinstance(event_id, str)
    assert isinstance(item_id, str)
    if row["kind"] == "event":
        user_id, type_, rating = row["user_id"], row["type"], row["rating"]
        assert isinstance(user_id, str)
        assert isinstance(type_, str)
        assert rating is None or isinstance(rating, float)
        return Event(
            event_id=event_id,
            user_id=user_id,
            item_id=item_id,
            type=type_,
            rating=rating,
            at=moment(at_us),
            details=_stored_details(row),
        )
    if row["kind"] == "fact":
        return Fact(
            event_id=event_id,
            head=item_id,
            relation=str(row["relation"]),
            tail=str(row["tail"]),
            at=moment(at_us),
            withdrawn=bool(row["withdrawn"]),
        )
    payload = json.loads(str(row["payload"]))
    attributes = payload.pop("attributes")
    for name, value in attributes.items():
        if isinstance(value, list):
            attributes[name] = tuple(value)
    return Item(
        event_id=event_id,
        item_id=item_id,
        at=moment(at_us),
        attributes=attributes,
        images=tuple(payload.pop("images", ())),
        **payload,
    )


def _stored_details(row: Mapping[str, object]) -> EventDetails | None:
    if len(row) == len(_BASE):  # none of the rows has details
        return None
    given = {name: row[name] for name in DETAILS if row.get(name) is not None}
    return EventDetails(**given) if given else None  # type: ignore[arg-type]  # typed columns
