"""Snapshots of the visits of a planted shop, for the product's trainer."""

from __future__ import annotations

import json
import shutil
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
from cron.epoch import moment
from cron.past_event import PastEvent
from cron.placement import Placement
from cron.placement_policy import PlacementPolicy
from cron.snapshot.judged_lists import QUESTION_SCHEMA
from cron.snapshot.list_questions import list_question
from cron.snapshot.served_lists import SCHEMA
from recommender.records.slates import Slate

MAX_HISTORY = 35  # events that the bench's models read
PANEL_EVERY = 10
GROUP_WORDS = ("garden tool", "running shoe", "board game", "kitchen knife")
CLICKBAIT_WORDS = "you will not believe this"
_BETWEEN_VISITS_S = 86_400.0  # one list a day
_FIRST_AT_S = 1_700_000_000.0


def write_visits(
    folder: Path,
    visitors: ShopVisitors,
    visits: Sequence[ServedVisit],
    *,
    panel_every: int = PANEL_EVERY,
) -> Path:
    """Write the snapshot of a full retrain: all clicks, and the lists that led to them.

    One visitor of `panel_every` is scored, from their second click on a list on, and never trained
    on. A click is worth 1.
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
    in_panel_E: Flags = users_E % panel_every == 0
    chosen = Roles(
        target_E=~in_panel_E,
        panel_E=in_panel_E & (day_E >= 0),
        panel_context_E=in_panel_E & (day_E < 0),
    )
    snapshot = write_snapshot(folder, data, chosen, mode="full")
    trained = [visit for visit in visits if visit.visitor % panel_every]
    pq.write_table(_slate_rows(trained), snapshot / "slates.parquet")
    return snapshot


def write_judged_lists(
    snapshot: Path,
    visitors: ShopVisitors,
    visits: Sequence[ServedVisit],
    *,
    live: Path,
    policy: PlacementPolicy,
    panel_every: int = PANEL_EVERY,
) -> None:
    """Add the panel's lists, the questions about them, and a live bundle to compare with.

    The questions are those of a placement with this policy, from the clicks before each list.
    """
    judged = [visit for visit in visits if visit.visitor % panel_every == 0]
    pq.write_table(_slate_rows(judged), snapshot / "judged_slates.parquet")
    histories: dict[int, list[PastEvent]] = {
        visitor: [_past_event(item, place - NUM_EARLIER - 1.0) for place, item in enumerate(clicks)]
        for visitor, clicks in enumerate(one[:NUM_EARLIER] for one in visitors.clicks)
    }
    questions = []
    for visit in judged:
        question = list_question(
            _slate(visit),
            Placement(policy=policy),
            histories[visit.visitor],
            max_history=MAX_HISTORY,
        )
        questions.append({"recommendation_id": _list_id(visit), "question": json.dumps(question)})
        if visit.clicked != NO_CLICK:
            histories[visit.visitor].append(_past_event(visit.clicked, visit.number + 0.01))
    table = pa.Table.from_pylist(questions, schema=QUESTION_SCHEMA)
    pq.write_table(table, snapshot / "list_questions.parquet")
    shutil.copytree(live, snapshot / "live")


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
            "recommendation_id": _list_id(visit),
            "user_id": f"u{visit.visitor}",
            "at_us": _time_us(visit.number),
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


def _slate(visit: ServedVisit) -> Slate:
    return Slate(
        event_id=_list_id(visit),
        user_id=f"u{visit.visitor}",
        placement=None,
        items=tuple(f"i{item}" for item in visit.items),
        propensities=visit.propensities,
        policy="plackett_luce",
        version=1,
        fallback=False,
        arm=None,
        at=moment(_time_us(visit.number)),
    )


def _past_event(item: int, day: float) -> PastEvent:
    return PastEvent(_time_us(day), f"{item}-{day}", f"i{item}", "view", None)


def _list_id(visit: ServedVisit) -> str:
    return f"{visit.visitor}-{visit.number}"


def _time_us(day: float) -> int:
    return int((_FIRST_AT_S + day * _BETWEEN_VISITS_S) * 1e6)
