"""Slates as rows of a Parquet file, and back: one row per slate, its items as lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cron.epoch import micros, moment
from recommender.records.slates import Slate

ROWS_IN_A_GROUP = 16_384

SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("at_us", pa.int64(), nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("placement", pa.string()),
        pa.field("items", pa.list_(pa.string()), nullable=False),
        pa.field("propensities", pa.list_(pa.float64()), nullable=False),  # null for a pin
        pa.field("policy", pa.string(), nullable=False),
        pa.field("version", pa.int32()),
        pa.field("fallback", pa.bool_(), nullable=False),
        pa.field("arm", pa.string()),
        pa.field("scores", pa.list_(pa.float64())),  # files from before there were scores lack it
        # files of earlier releases lack these; they are read as nulls
        pa.field("session_id", pa.string()),
        pa.field("teams", pa.list_(pa.string())),
        pa.field("greedy_ranks", pa.list_(pa.int16())),
    ]
)


def table_of(slates: Sequence[Slate]) -> pa.Table:
    """Return slates as rows, ordered by time."""
    rows = list(map(_row, sorted(slates, key=lambda slate: slate.at)))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCHEMA)
    arrays = [pa.array(list(one), field.type) for one, field in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)


def slates_of(table: pa.Table) -> list[Slate]:
    """Return the slates of rows, in row order."""
    slates = []
    for row in table.to_pylist():
        at = moment(row.pop("at_us"))
        items, propensities = tuple(row.pop("items")), tuple(row.pop("propensities"))
        teams, scores = row.pop("teams"), row.pop("scores")
        greedy_ranks = row.pop("greedy_ranks")
        slates.append(
            Slate(
                **row,
                items=items,
                propensities=propensities,
                at=at,
                scores=None if scores is None else tuple(scores),
                teams=None if teams is None else tuple(teams),
                greedy_ranks=None if greedy_ranks is None else tuple(greedy_ranks),
            )
        )
    return slates


def time_bounds(table: pa.Table) -> tuple[datetime, datetime]:
    """Return the first and the last time among at least one row."""
    bounds = pc.min_max(table["at_us"]).as_py()
    return moment(bounds["min"]), moment(bounds["max"])


def write(table: pa.Table, path: Path) -> None:
    """Write rows to a Parquet file."""
    pq.write_table(table, path, compression="zstd", row_group_size=ROWS_IN_A_GROUP)


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return all rows, or some columns of them."""
    names = SCHEMA.names if columns is None else list(columns)
    return pq.read_table(path, columns=names, schema=SCHEMA, use_threads=False).select(names)


def _row(slate: Slate) -> tuple[object, ...]:
    return (
        slate.event_id,
        micros(slate.at),
        slate.user_id,
        slate.placement,
        slate.items,
        slate.propensities,
        slate.policy,
        slate.version,
        slate.fallback,
        slate.arm,
        slate.scores,
        slate.session_id,
        slate.teams,
        slate.greedy_ranks,
    )
