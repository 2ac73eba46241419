"""Make a shop with planted structure, as two Parquet files: its items and its events.

    python -m bench shop --items 1000000 --events 20000000 FOLDER

`make serve DATA=FOLDER` reads the folder. `planted.py` says what is planted. Events are made and
written one stretch of time after the other, so memory does not grow with their number.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.data.planted import TYPES, Events, Shop
from bench.data.shop_words import item_columns

COMMAND = "python -m bench shop"
EVENTS_A_BLOCK = 500_000
ITEMS_A_BLOCK = 50_000
EVENTS, ITEMS = "events.parquet", "items.parquet"


def write_shop(folder: Path, shop: Shop, *, seed: int = 0) -> None:
    """Write `items.parquet` and `events.parquet`, the events in time order."""
    folder.mkdir(parents=True)
    _write_items(folder / ITEMS, shop, seed)
    num_blocks = -(-shop.num_events // EVENTS_A_BLOCK)
    with pq.ParquetWriter(folder / EVENTS, _event_table(shop.block(0, num_blocks)).schema) as file:
        for number in range(num_blocks):
            file.write_table(_event_table(shop.block(number, num_blocks)))


def _write_items(path: Path, shop: Shop, seed: int) -> None:
    writer: pq.ParquetWriter | None = None
    for first in range(0, shop.num_items, ITEMS_A_BLOCK):
        generator = np.random.default_rng((seed, 2, first))
        groups_N = shop.groups_N[first : first + ITEMS_A_BLOCK]
        table = pa.table(dict(item_columns(first, groups_N, generator)))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _event_table(events: Events) -> pa.Table:
    is_rated_E = ~np.isnan(events.ratings_E)
    return pa.table(
        {
            "user_id": _ids("u", events.users_E),
            "item_id": _ids("i", events.items_E),
            "type": pa.DictionaryArray.from_arrays(
                pa.array(events.types_E, pa.int8()), pa.array(TYPES)
            ).cast(pa.string()),
            "rating": pa.array(events.ratings_E, pa.float32(), mask=~is_rated_E),
            "at": pa.array(events.at_E, pa.int64()),
        }
    )


def _ids(letter: str, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the shop that the arguments describe; refuse a folder that exists."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Make a shop with planted structure, for `make serve DATA=FOLDER`.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder to be created")
    parser.add_argument("--items", type=int, default=20_000, help="number of items (20,000)")
    parser.add_argument("--events", type=int, default=500_000, help="number of events (500,000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another shop (0)")
    given = parser.parse_args(arguments)
    if given.folder.exists():
        print(f"{given.folder} exists; name a folder that does not", file=sys.stderr)
        return 1
    if min(given.items, given.events) < 1:
        print("a shop has at least one item and one event", file=sys.stderr)
        return 1
    began_s = time.monotonic()
    shop = Shop(given.items, given.events, seed=given.seed)
    write_shop(given.folder, shop, seed=given.seed)
    size_mb = sum(file.stat().st_size for file in given.folder.iterdir()) / 1e6
    print(
        f"{given.folder}: {shop.num_items:,} items in {shop.num_groups:,} groups, "
        f"{shop.num_events:,} events of up to {shop.num_users:,} users, {size_mb:,.0f} MB, "
        f"{time.monotonic() - began_s:.0f} s"
    )
    return 0
