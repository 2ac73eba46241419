"""From a data set's columns to the trainer's own snapshot directory: the benches train with the code that the worker runs."""

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
    """What each event is there for; an event without a role stays out. The panel's are scored, each from what its user did before.

    `older_E` are those of the panel's events that the gate judges by themselves.
    """

    target_E: Flags
    replay_E: Flags | None = None
    context_E: Flags | None = None
    panel_E: Flags | None = None
    panel_context_E: Flags | None = None
    older_E: Flags | None = None
    older_context_E: Flags | None = None
    more_items: NDArray[np.int64] | None = (
        None  # numbers of items that come along without any event
    )


def write_snapshot(
    folder: Path, data: RatingsSet, chosen: Roles, *, mode: Mode, seed: int = 0
) -> Path:
    """Write events to train on (`target`, `replay`, and `context` that is only looked back on), and those to score, if any.

    The catalogue holds the items of those events, and `more_items`: what comes later is not known
    yet.
    """
    whole, folder = folder, folder.with_name(folder.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    roles = _roles(
        len(data.users_E), context=chosen.context_E, replay=chosen.replay_E, target=chosen.target_E
    )
    panel_roles = _roles(len(data.users_E), context=chosen.panel_context_E, score=chosen.panel_E)
    chosen_E = roles != ""
    _write(folder, "events.parquet", event_rows(data, chosen_E, roles))
    _write(folder, "panel.parquet", event_rows(data, panel_roles != "", panel_roles))
    older_roles = _roles(len(data.users_E), context=chosen.older_context_E, score=chosen.older_E)
    _write(folder, "older.parquet", event_rows(data, older_roles != "", older_roles))
    alone = chosen.more_items if chosen.more_items is not None else np.zeros(0, np.int64)
    _write(folder, "items.parquet", _items(data, np.union1d(data.items_E[chosen_E], alone)))
    asked = f"{data.name} {seed} {hashlib.sha256(roles.astype(str).tobytes() + alone.tobytes()).hexdigest()}"
    manifest = {
        "format": 2,
        "mode": mode,
        "data_digest": hashlib.sha256(asked.encode()).hexdigest(),
        "num_targets": int(chosen.target_E.sum()),
        "num_replay": int(chosen.replay_E.sum()) if chosen.replay_E is not None else 0,
        "seed": seed,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder.rename(whole)


def _roles(num_events: int, **marked: Flags | None) -> NDArray[np.object_]:
    """Return each event's role; a later one of the arguments goes before."""
    roles = np.full(num_events, "", dtype=object)
    for role, marked_E in marked.items():
        if marked_E is not None:
            roles[marked_E] = role
    return roles


def event_rows(data: RatingsSet, chosen_E: Flags, roles: NDArray[np.object_]) -> pa.Table:
    """Return events as the rows of a snapshot's file; equal times keep the order of the set by their ids."""
    places = np.flatnonzero(chosen_E)
    is_first_E, rated = (
        np.zeros((2, len(data.users_E)), np.bool_),
        np.flatnonzero(~np.isnan(data.ratings_E)),
    )
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
                ["view" if np.isnan(rating) else "rating" for rating in data.ratings_E[places]],
                pa.string(),
            ),
            "rating": pa.array(
                [None if np.isnan(rating) else float(rating) for rating in data.ratings_E[places]],
                pa.float32(),
            ),
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


def _write(folder: Path, name: str, table: pa.Table) -> None:
    pq.write_table(table, folder / name)
