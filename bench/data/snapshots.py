"""Snapshot directories made of a data set, for the product's trainer."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.data.sets import RatingsSet
from trainer.config import Mode

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The role of each event; an event without a role is left out.

    Panel events are scored, each from what its user did before. `older_E` marks those panel events
    that the gate judges separately.
    """

    target_E: Flags
    replay_E: Flags | None = None
    context_E: Flags | None = None
    panel_E: Flags | None = None
    panel_context_E: Flags | None = None
    older_E: Flags | None = None
    older_context_E: Flags | None = None
    more_items: NDArray[np.int64] | None = None  # numbers of items that are added without events


def write_snapshot(
    folder: Path, data: RatingsSet, chosen: Roles, *, mode: Mode, seed: int = 0
) -> Path:
    """Write the events to train on, and those to score, if any.

    Events to train on are `target` and `replay`; `context` is only read as history. The catalogue
    has the items of those events and `more_items`, and nothing that comes later.
    """
    whole, folder = folder, folder.with_name(folder.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    roles = _roles(
        len(data.users_E), context=chosen.context_E, replay=chosen.replay_E, target=chosen.target_E
    )
    panel_roles = _roles(len(data.users_E), context=chosen.panel_context_E, score=chosen.panel_E)
    chosen_E = roles != ""
    older_roles = _roles(len(data.users_E), context=chosen.older_context_E, score=chosen.older_E)
    pq.write_table(event_rows(data, chosen_E, roles), folder / "events.parquet")
    pq.write_table(event_rows(data, panel_roles != "", panel_roles), folder / "panel.parquet")
    pq.write_table(event_rows(data, older_roles != "", older_roles), folder / "older.parquet")
    alone = chosen.more_items if chosen.more_items is not None else np.zeros(0, np.int64)
    items = _items(data, np.union1d(data.items_E[chosen_E], alone))
    pq.write_table(items, folder / "items.parquet")
    contents = hashlib.sha256(roles.astype(str).tobytes() + alone.tobytes()).hexdigest()
    asked = f"{data.name} {seed} {contents}"
    manifest = {
        "format": 2,
        "mode": mode,
        "data_digest": hashlib.sha256(asked.encode()).hexdigest(),
        "num_targets": int(chosen.target_E.sum()),
        "num_replay": int(chosen.replay_E.sum()) if chosen.replay_E is not None else 0,
        "seed": seed,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder.rename(whole)


def _roles(num_events: int, **marked: Flags | None) -> NDArray[np.object_]:
    """Return the role of each event; a later argument wins over an earlier one."""
    roles = np.full(num_events, "", dtype=object)
    for role, marked_E in marked.items():
        if marked_E is not None:
            roles[marked_E] = role
    return roles


def event_rows(data: RatingsSet, chosen_E: Flags, roles: NDArray[np.object_]) -> pa.Table:
    """Return events as rows of a snapshot's file.

    Event ids grow with the place in the set, so equal times keep the order of the set.
    """
    places = np.flatnonzero(chosen_E)
    is_first_E = np.zeros((2, len(data.users_E)), np.bool_)
    rated = np.flatnonzero(~np.isnan(data.ratings_E))
    pair_E = data.users_E * (int(data.items_E.max(initial=0)) + 1) + data.items_E
    is_first_E[0, np.unique(pair_E, return_index=True)[1]] = True
    is_first_E[1, rated[np.unique(pair_E[rated], return_index=True)[1]]] = True
    return pa.table(
        {
            "seq": pa.array(places + 1, pa.int64()),
            "event_id": pa.array([f"{place:09}" for place in places], pa.string()),
            "user_id": pa.array([f"u{user}" for user in data.users_E[places]], pa.string()),
            "item_id": pa.array(
                [data.item_ids[item] for item in data.items_E[places]], pa.string()
            ),
            "type": pa.array(
                np.where(np.isnan(data.ratings_E[places]), "view", "rating"), pa.string()
            ),
            "rating": pa.array(data.ratings_E[places], pa.float32(), from_pandas=True),
            "at_us": pa.array((data.at_s_E[places] * 1e6).astype(np.int64), pa.int64()),
            "is_first": pa.array(is_first_E[0, places], pa.bool_()),
            "is_first_rating": pa.array(is_first_E[1, places], pa.bool_()),
            "role": pa.array(roles[places].astype(str), pa.string()),
        }
    )


def _items(data: RatingsSet, numbers: NDArray[np.int64]) -> pa.Table:
    known = [
        (data.item_ids[number], record)
        for number in numbers
        if (record := data.items[number]) is not None
    ]
    return pa.table(
        {
            "seq": pa.array(range(1, len(known) + 1), pa.int64()),
            "item_id": pa.array([item_id for item_id, _ in known], pa.string()),
            "title": pa.array([str(record["title"]) for _, record in known], pa.string()),
            "text": pa.array([str(record["text"]) for _, record in known], pa.string()),
            "attributes": pa.array(
                [json.dumps(record["attributes"]) for _, record in known], pa.string()
            ),
            "hidden": pa.array([False] * len(known), pa.bool_()),
            "at_us": pa.array([0] * len(known), pa.int64()),
        }
    )
