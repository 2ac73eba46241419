"""Snapshot directories of a made-up shop, for the product's trainer.

A full one has all events of a shop, an update the newest ones with replayed older ones. One user in
`PANEL_OF` is not trained on; the newest choices of these users are scored.

    E  events, by user and time
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.data.planted import TYPES, Events, Ints, Shop, concatenate, rows_of
from bench.data.shop_words import item_columns
from trainer.config import Mode

Flags = NDArray[np.bool_]
Names = NDArray[np.object_]
PANEL_OF = 50
SCORED_OF_A_USER, MOST_SCORED = 5, 2_000
MAX_HISTORY = 100
EVENTS_A_BLOCK = 500_000
ROWS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopEvents:
    """All events of a shop by user and time; `first_E` marks a user's first with an item."""

    events: Events
    first_E: Flags
    first_rating_E: Flags

    def __len__(self) -> int:
        return len(self.events)

    @property
    def panel_E(self) -> Flags:
        """Mark the events of the users who are not trained on."""
        is_panel_E: Flags = self.events.users_E % PANEL_OF == 0
        return is_panel_E


def shop_events(shop: Shop) -> ShopEvents:
    """Make all events of a shop."""
    num_blocks = -(-shop.num_events // EVENTS_A_BLOCK)
    whole = concatenate([shop.block(number, num_blocks) for number in range(num_blocks)])
    events = rows_of(whole, np.lexsort((whole.at_E, whole.users_E)))
    is_rated_E = ~np.isnan(events.ratings_E)
    return ShopEvents(
        events=events,
        first_E=_first(events, np.ones(len(events), np.bool_)),
        first_rating_E=_first(events, is_rated_E),
    )


def write_full(folder: Path, shop: Shop, data: ShopEvents) -> Path:
    """Write the snapshot of a full retrain."""
    roles_E = np.where(data.panel_E, "", "target").astype(object)
    return _write(folder, shop, data, roles_E, mode="full")


def write_update(
    folder: Path, shop: Shop, data: ShopEvents, candidate: Path, *, num_new: int
) -> Path:
    """Write the snapshot of an update of `candidate` by the newest events.

    Twenty older events are replayed for each new one, in runs of one user's. The items are those of
    the shop, whether or not they changed.
    """
    at_E = np.where(data.panel_E, -1, data.events.at_E)
    is_new_E = np.zeros(len(data), np.bool_)
    is_new_E[np.argsort(at_E, kind="stable")[-num_new:]] = True
    generator = np.random.default_rng(0)
    ends = generator.choice(np.flatnonzero(~data.panel_E & ~is_new_E), 20 * num_new // 25)
    is_replay_E = _before(data.events.users_E, ends, 25) & ~is_new_E
    news = np.flatnonzero(is_new_E)
    is_context_E = _before(data.events.users_E, news, MAX_HISTORY)
    roles_E = np.full(len(data), "", dtype=object)
    for role, marked_E in (
        ("context", is_context_E),
        ("replay", is_replay_E),
        ("target", is_new_E),
    ):
        roles_E[marked_E & ~data.panel_E] = role
    whole = _write(folder, shop, data, roles_E, mode="update")
    shutil.copytree(candidate / "bundle", whole / "live")
    shutil.copytree(candidate / "state", whole / "state")
    return whole


def _write(folder: Path, shop: Shop, data: ShopEvents, roles_E: Names, *, mode: Mode) -> Path:
    folder.mkdir(parents=True)
    _write_events(folder / "events.parquet", data, roles_E)
    _write_events(folder / "panel.parquet", data, _panel_roles(data))
    _write_events(folder / "older.parquet", data, np.full(len(data), "", dtype=object))
    _write_items(folder / "items.parquet", shop)
    manifest = {
        "format": 2,
        "mode": mode,
        "data_digest": "0" * 64,
        "num_targets": int((roles_E == "target").sum()),
        "num_replay": int((roles_E == "replay").sum()),
        "seed": 0,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _panel_roles(data: ShopEvents) -> Names:
    """Score the last choices of panel users; what came before is context."""
    users_E = data.events.users_E
    ends_E = np.searchsorted(users_E, users_E, side="right")
    is_scored_E = data.panel_E & (ends_E - np.arange(len(users_E)) <= SCORED_OF_A_USER)
    is_scored_E[np.flatnonzero(is_scored_E)[MOST_SCORED:]] = False
    is_context_E = _before(users_E, np.flatnonzero(is_scored_E), MAX_HISTORY)
    roles_E = np.full(len(users_E), "", dtype=object)
    roles_E[is_context_E] = "context"
    roles_E[is_scored_E] = "score"
    return roles_E


def _before(users_E: Ints, ends: Ints, length: int) -> Flags:
    """Mark the `length` events that end at each of `ends`, of the same user only."""
    rows_XL = ends[:, None] - np.arange(length)
    same_XL = (rows_XL >= 0) & (users_E[np.maximum(rows_XL, 0)] == users_E[ends][:, None])
    marked_E = np.zeros(len(users_E), np.bool_)
    marked_E[rows_XL[same_XL]] = True
    return marked_E


def _first(events: Events, of_E: Flags) -> Flags:
    rows = np.flatnonzero(of_E)
    pairs = events.users_E[rows] * (int(events.items_E.max(initial=0)) + 1) + events.items_E[rows]
    first_E = np.zeros(len(events), np.bool_)
    first_E[rows[np.unique(pairs, return_index=True)[1]]] = True
    return first_E


def _write_events(path: Path, data: ShopEvents, roles_E: Names) -> None:
    rows = np.flatnonzero(roles_E != "")
    with pq.ParquetWriter(path, _table(data, roles_E, rows[:0]).schema) as file:
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            file.write_table(_table(data, roles_E, rows[begin : begin + ROWS_AT_ONCE]))


def _table(data: ShopEvents, roles_E: Names, rows: Ints) -> pa.Table:
    events = rows_of(data.events, rows)
    return pa.table(
        {
            "seq": pa.array(rows + 1, pa.int64()),
            "event_id": _ids("e", rows),
            "user_id": _ids("u", events.users_E),
            "item_id": pc.binary_join_element_wise(
                "i", pa.array(events.items_E).cast(pa.string()), ""
            ),
            "type": pa.array(np.array(TYPES, dtype=object)[events.types_E], pa.string()),
            "rating": pa.array(events.ratings_E, pa.float32(), from_pandas=True),
            "at_us": pa.array(events.at_E * 1_000_000, pa.int64()),
            "is_first": pa.array(data.first_E[rows]),
            "is_first_rating": pa.array(data.first_rating_E[rows]),
            "role": pa.array(roles_E[rows], pa.string()),
        }
    )


def _ids(letter: str, numbers: Ints) -> pa.Array:
    """Return ids whose order as texts is that of the numbers."""
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 10, "0")
    return pc.binary_join_element_wise(letter, digits, "")


def _write_items(path: Path, shop: Shop) -> None:
    columns = item_columns(0, shop.groups_N, np.random.default_rng(0))
    order = np.argsort(np.array(columns["item_id"], dtype=object))
    num = shop.num_items

    def sorted_column(name: str) -> list[str]:
        return [columns[name][row] for row in order]

    pq.write_table(
        pa.table(
            {
                "seq": pa.array(np.arange(1, num + 1)),
                "item_id": sorted_column("item_id"),
                "title": sorted_column("title"),
                "text": [
                    ". ".join(words)
                    for words in zip(sorted_column("title"), sorted_column("text"), strict=True)
                ],
                "attributes": [_attributes(columns, row) for row in order.tolist()],
                "hidden": pa.array(np.zeros(num, np.bool_)),
                "at_us": pa.array(np.zeros(num, np.int64)),
            }
        ),
        path,
    )


def _attributes(columns: Mapping[str, Sequence[str]], row: int) -> str:
    return json.dumps({name: columns[name][row] for name in ("category", "brand", "price")})
