"""A made-up shop in a journal, whose segments are written without a log.

The items come first, then the events by time. A journal of ten million events takes half a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.data.planted import TYPES, Events, Ints, Shop, rows_of
from bench.data.shop_words import item_columns
from cron.journal import segments
from cron.journal.segment_files import SegmentFiles
from cron.ledger import journal_rows
from cron.lineage import Lease
from cron.services import Services
from recommender.records.events import Event, Record

RECORDS_A_SEGMENT = 200_000
EVENTS_A_BLOCK = 500_000
BEFORE_ALL_US = 1_700_000_000_000_000


def write_items(services: Services, shop: Shop, lease: Lease) -> None:
    """Append a record of each item of a shop to the journal."""
    for first in range(0, shop.num_items, RECORDS_A_SEGMENT):
        groups_N = shop.groups_N[first : first + RECORDS_A_SEGMENT]
        columns = item_columns(first, groups_N, np.random.default_rng((0, 2, first)))
        num = len(groups_N)
        values = {
            "kind": pa.repeat("item", num),
            "event_id": [f"item:{item_id}" for item_id in columns["item_id"]],
            "item_id": columns["item_id"],
            "at_us": pa.repeat(BEFORE_ALL_US, num),
            "payload": [_payload(dict(zip(columns, row, strict=True))) for row in _rows(columns)],
        }
        _append(services, values, num, lease)


def write_facts(services: Services, facts: pa.Table, first: int, lease: Lease) -> None:
    """Append facts with heads, relations and tails; `first` is the number of the first of them."""
    for begin in range(0, facts.num_rows, RECORDS_A_SEGMENT):
        part = facts.slice(begin, RECORDS_A_SEGMENT)
        values = {
            "kind": pa.repeat("fact", part.num_rows),
            "event_id": _ids("f", np.arange(part.num_rows) + first + begin),
            "item_id": part["head"],
            "relation": part["relation"],
            "tail": part["tail"],
            "withdrawn": pa.repeat(pa.scalar(False), part.num_rows),
            "at_us": np.arange(part.num_rows) + (BEFORE_ALL_US + first + begin),
        }
        _append(services, values, part.num_rows, lease)


def write_events(services: Services, events: Events, first: int, lease: Lease) -> None:
    """Append events of a shop to the journal; `first` is the number of the first in its shop."""
    for begin in range(0, len(events), RECORDS_A_SEGMENT):
        part = rows_of(events, np.arange(begin, min(begin + RECORDS_A_SEGMENT, len(events))))
        values = {
            "kind": pa.repeat("event", len(part)),
            "event_id": _ids("e", np.arange(len(part)) + first + begin),
            "user_id": _ids("u", part.users_E),
            "item_id": _ids("i", part.items_E),
            "type": pa.array(np.array(TYPES, dtype=object)[part.types_E], pa.string()),
            "rating": pa.array(part.ratings_E, pa.float64(), from_pandas=True),
            "at_us": part.at_E * 1_000_000,
        }
        _append(services, values, len(part), lease)


def blocks(shop: Shop) -> Iterator[tuple[int, Events]]:
    """Yield the events of a shop by time, in blocks, each with the number of its first."""
    num_blocks = _num_blocks(shop)
    first = 0
    for number in range(num_blocks):
        events = shop.block(number, num_blocks)
        yield first, events
        first += len(events)


def last_block(shop: Shop) -> tuple[int, Events]:
    """Return the last of the blocks and the number of its first event."""
    num_blocks = _num_blocks(shop)
    events = shop.block(num_blocks - 1, num_blocks)
    return shop.num_events - len(events), events


def records_of(events: Events, first: int) -> list[Record]:
    """Return events of a shop as a client sends them."""
    return [
        Event(
            event_id=f"e{first + row}",
            user_id=f"u{events.users_E[row]}",
            item_id=f"i{events.items_E[row]}",
            type=TYPES[events.types_E[row]],
            rating=None if np.isnan(events.ratings_E[row]) else float(events.ratings_E[row]),
            at=datetime.fromtimestamp(int(events.at_E[row]), UTC),
        )
        for row in range(len(events))
    ]


def _num_blocks(shop: Shop) -> int:
    return -(-shop.num_events // EVENTS_A_BLOCK)


def _append(services: Services, values: dict[str, object], num_rows: int, lease: Lease) -> None:
    first_seq = journal_rows.last_seq(services.ledger) + 1
    numbers = np.arange(first_seq, first_seq + num_rows)
    absent = {
        field.name: pa.nulls(num_rows, field.type)
        for field in segments.SCHEMA
        if field.name not in values
    }
    table = pa.table({**absent, **values, "seq": numbers}).select(segments.SCHEMA.names)
    segment = SegmentFiles(services.artifacts, services.paths.journal / "segments").put(
        table.cast(segments.SCHEMA), covers=(first_seq, first_seq + num_rows - 1), lease=lease
    )
    cursor = journal_rows.log_cursor(services.ledger)
    journal_rows.commit_segment(services.ledger, segment, cursor, lease)


def _rows(columns: object) -> Iterator[tuple[str, ...]]:
    assert isinstance(columns, dict)
    return zip(*columns.values(), strict=True)


def _payload(item: dict[str, str]) -> str:
    return json.dumps(
        {
            "title": item["title"],
            "text": item["text"],
            "attributes": {name: item[name] for name in ("category", "brand", "price")},
            "hidden": False,
        }
    )


def _ids(letter: str, numbers: Ints) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")
