"""Snapshots of the visits of a planted shop, for the product's trainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.data.sets import RatingsSet
from bench.data.snapshots import Flags, Roles, write_snapshot
from bench.decisions.clickbait_shop import (
    NO_CLICK,
    NUM_EARLIER,
    NUM_ITEMS,
    ServedVisit,
    ShopVisitors,
    item_groups,
)
from cron.snapshot.served_lists import SCHEMA

PANEL_EVERY = 10  # one visitor of so many is scored and never trained on
GROUP_WORDS = ("garden tool", "running shoe", "board game", "kitchen knife")
CLICKBAIT_WORDS = "you will not believe this"
_BETWEEN_VISITS_S = 86_400.0  # one list a day
_FIRST_AT_S = 1_700_000_000.0


def write_visits(folder: Path, visitors: ShopVisitors, visits: Sequence[ServedVisit]) -> Path:
    """Write the snapshot of a full retrain: all clicks, and the lists that led to them.

    The panel's visitors are scored from their second click on a list on. A click is worth 1.
    """
    clicks = [visit for visit in visits if visit.clicked != NO_CLICK]
    num_visitors = len(visitors.clicks)
    earlier = [
        (visitor, item, place - NUM_EARLIER - 1.0)
        for visitor in range(num_visitors)
        for place, item in enumerate(visitors.clicks[visitor][:NUM_EARLIER])
    ]
    served = [(visit.visitor, visit.clicked, visit.number + 0.01) for visit in clicks]
    events = sorted([*earlier, *served], key=lambda one: one[2])
    users_E = np.array([user for user, _, _ in events])
    day_E = np.array([day for _, _, day in events])
    data = RatingsSet(
        name="clickbait shop",
        users_E=users_E,
        items_E=np.array([item for _, item, _ in events]),
        ratings_E=np.full(len(events), np.nan),
        at_s_E=_FIRST_AT_S + day_E * _BETWEEN_VISITS_S,
        item_ids=[f"i{number}" for number in range(NUM_ITEMS)],
        items=[item_record(number) for number in range(NUM_ITEMS)],
    )
    in_panel_E: Flags = users_E % PANEL_EVERY == 0
    chosen = Roles(
        target_E=~in_panel_E,
        panel_E=in_panel_E & (day_E >= 0),
        panel_context_E=in_panel_E & (day_E < 0),
    )
    snapshot = write_snapshot(folder, data, chosen, mode="full")
    trained = [visit for visit in visits if visit.visitor % PANEL_EVERY]
    pq.write_table(_slate_rows(trained), snapshot / "slates.parquet")
    return snapshot


def item_record(number: int) -> dict[str, object]:
    """Return an item's record; its text says its group, as the texts of a shop do."""
    group = int(item_groups()[number])
    kind = CLICKBAIT_WORDS if group < 0 else GROUP_WORDS[group]
    title = f"{kind} {number}"
    return {"title": title, "text": title, "attributes": {}}


def _slate_rows(visits: Sequence[ServedVisit]) -> pa.Table:
    """Return the rows of a snapshot's slates, one for each item of each list."""
    rows = [
        {
            "recommendation_id": f"{visit.visitor}-{visit.number}",
            "user_id": f"u{visit.visitor}",
            "at_us": int((_FIRST_AT_S + visit.number * _BETWEEN_VISITS_S) * 1e6),
            "position": position,
            "item_id": f"i{item}",
            "propensity": visit.propensities[position],
            "reward": float(item == visit.clicked),
            "version": 1,
        }
        for visit in visits
        for position, item in enumerate(visit.items)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
