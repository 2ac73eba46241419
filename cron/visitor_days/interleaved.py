"""Visitors of interleaved lists: what the items that each arm picked were worth.

An event counts for the item of the list that it names, else of the visitor's newest list with the
item, within the window of the reward. So a new event, or a new list, changes the credits of the
days before it as far as the window reaches; those days are read again, and no others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import micros
from cron.ledger import experiment_day_rows
from cron.ledger.experiment_day_rows import DAY_US, ReadDay, VisitorDay
from cron.shown_rewards import CLOCK_SLACK_US, EVENT_COLUMNS, SLATE_COLUMNS, join_rewards
from cron.visitor_days.reading import (
    Measuring,
    begin_of,
    day_of,
    most_shown,
    parts_of,
    read_numbers,
    segments_by_day,
    slates_of_days,
)

_COLUMNS = (*SLATE_COLUMNS, "arm", "teams")
_READ_AT_ONCE = 200_000  # records


@dataclass(frozen=True, slots=True, kw_only=True)
class _DayRun:
    """Days one after the other, and the slates that may matter for them."""

    first_day: int
    last_day: int
    slates: pa.Table


def read_interleaved(measuring: Measuring) -> None:
    """Bring the rows of interleaved lists up to date with the journal."""
    ledger, name = measuring.ledger, measuring.name
    last_seq = measuring.journal.last_seq
    read = experiment_day_rows.days(ledger, name)
    segments = segments_by_day(measuring)
    changed = {
        day for day, names in segments.items() if day not in read or read[day].segments != names
    }
    for first_day, last_day in _runs(measuring, changed | _event_days(measuring, last_seq)):
        days = range(first_day, last_day + 1)
        until = begin_of(last_day + 1) + timedelta(seconds=measuring.reward.window_s)
        run = _DayRun(
            first_day=first_day, last_day=last_day, slates=_slates(measuring, days, until)
        )
        shown = _picks_by_day(run)
        for day in days:
            read[day] = ReadDay(segments=segments.get(day, frozenset()), shown=shown.get(day, {}))
        _store_run(measuring, run, head=most_shown(one.shown for one in read.values()))
        for day in days:
            experiment_day_rows.store_day(ledger, name, day, read[day], lease=measuring.lease)
    experiment_day_rows.note_through(ledger, name, last_seq, lease=measuring.lease)


def _event_days(measuring: Measuring, last_seq: int) -> set[int]:
    """Return the days of the rewarded events that are new."""
    noted = experiment_day_rows.through_seq(measuring.ledger, measuring.name)
    through = measuring.experiment.after_seq if noted is None else noted
    weights = measuring.reward.weights
    types = pa.array([type_ for type_, weight in weights.items() if weight], pa.string())
    days: set[int] = set()
    for first in range(through + 1, last_seq + 1, _READ_AT_ONCE):
        last = min(first + _READ_AT_ONCE - 1, last_seq)
        records = measuring.journal.read(first, last, columns=("type", "at_us"))
        at_us = records.filter(pc.is_in(records["type"], value_set=types))["at_us"].to_numpy()
        days.update(np.unique((at_us + CLOCK_SLACK_US) // DAY_US).tolist())
    return days


def _runs(measuring: Measuring, touched: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last of the days to be read, for each row of days."""
    reach = math.ceil(measuring.reward.window_s * 1e6 / DAY_US)
    today = day_of(micros(measuring.ledger.now()))
    days = sorted(
        {
            day - back
            for day in touched
            for back in range(reach + 1)
            if measuring.first_day <= day - back <= today
        }
    )
    runs: list[tuple[int, int]] = []
    for day in days:
        if runs and runs[-1][1] == day - 1:
            runs[-1] = runs[-1][0], day
        else:
            runs.append((day, day))
    return runs


def _slates(measuring: Measuring, days: range, until: datetime) -> pa.Table:
    """Return all slates of the visitors who were served an interleaved list on the days."""
    tables = list(slates_of_days(measuring, days[0], until, _COLUMNS))
    if not tables:
        return _NO_SLATES
    slates = pa.concat_tables(tables)
    is_drafted = pc.and_(pc.equal(slates["arm"], measuring.name), pc.is_valid(slates["teams"]))
    is_in_time = pc.less(slates["at_us"], (days[-1] + 1) * DAY_US)
    drafted = slates.filter(pc.and_(is_drafted, is_in_time))
    visitors = pc.unique(drafted["user_id"]).drop_null()
    slates = slates.filter(pc.is_in(slates["user_id"], value_set=visitors))
    # of other lists only the items matter: an event may be theirs
    is_drafted = pc.and_(pc.equal(slates["arm"], measuring.name), pc.is_valid(slates["teams"]))
    place = slates.column_names.index("arm")
    return slates.set_column(place, "arm", pc.if_else(is_drafted, measuring.name, None))


_NO_SLATES = pa.table(
    {
        "event_id": pa.array([], pa.string()),
        "user_id": pa.array([], pa.string()),
        "items": pa.array([], pa.list_(pa.string())),
        "at_us": pa.array([], pa.int64()),
        "arm": pa.array([], pa.string()),
        "teams": pa.array([], pa.list_(pa.string())),
    }
)


def _picks_by_day(run: _DayRun) -> dict[int, dict[str, Counter[str]]]:
    """Return how often each arm has picked each item, by day."""
    drafted = run.slates.filter(pc.is_valid(run.slates["arm"]))
    columns = [drafted[name].to_pylist() for name in ("at_us", "items", "teams")]
    found: dict[int, dict[str, Counter[str]]] = {}
    for at_us, items, teams in zip(*columns, strict=True):
        by_arm = found.setdefault(day_of(at_us), {})
        for item_id, team in zip(items, teams, strict=True):
            if team is not None:
                by_arm.setdefault(team, Counter())[item_id] += 1
    return found


def _store_run(measuring: Measuring, run: _DayRun, *, head: frozenset[str]) -> None:
    ledger, name = measuring.ledger, measuring.name
    for part in parts_of(pc.unique(run.slates["user_id"]).to_pylist()):
        is_theirs = pc.is_in(run.slates["user_id"], value_set=pa.array(part, pa.string()))
        slates = run.slates.filter(is_theirs).combine_chunks()
        events = _events(measuring, run, part)
        credits = _credits(slates, join_rewards(slates, events, measuring.reward).reward_R)
        keys = measuring.visitor_keys(part)
        rows = _rows(measuring, credits[credits["day"].between(run.first_day, run.last_day)], head)
        kept = [
            row
            for row in experiment_day_rows.rows_of(ledger, name, [*keys.values()])
            if not run.first_day <= row.day <= run.last_day
        ]
        experiment_day_rows.replace_rows(
            ledger, name, [*keys.values()], [*kept, *rows], lease=measuring.lease
        )


def _events(measuring: Measuring, run: _DayRun, visitors: Sequence[str]) -> pa.Table:
    """Return the events of visitors that may be rewards of the run's lists."""
    journal = measuring.journal
    numbers = (measuring.experiment.after_seq + 1, journal.last_seq)
    found = journal.by_user.of(visitors, numbers)
    window_us = round(measuring.reward.window_s * 1e6)
    since_us = run.first_day * DAY_US - CLOCK_SLACK_US
    until_us = (run.last_day + 1) * DAY_US + window_us
    at_us = found["at_us"].to_numpy()
    is_in_time = (at_us >= since_us) & (at_us <= until_us)
    return read_numbers(journal, found["seq"].to_numpy()[is_in_time].tolist(), EVENT_COLUMNS)


def _credits(slates: pa.Table, reward_R: np.ndarray) -> pd.DataFrame:
    """Return a row for each item that an arm picked: list, visitor, day, team, reward."""
    items = slates["items"].to_pylist()
    teams: list[str | None] = []
    columns = [slates[name].to_pylist() for name in ("items", "teams", "arm")]
    for shown, picked, arm in zip(*columns, strict=True):
        teams += [None] * len(shown) if arm is None else picked
    lengths = [len(shown) for shown in items]
    at_us = np.repeat(slates["at_us"].to_numpy(), lengths)
    credits = pd.DataFrame(
        {
            "list": np.repeat(np.arange(len(items)), lengths),
            "visitor": np.repeat(np.array(slates["user_id"].to_pylist(), object), lengths),
            "at_us": at_us,
            "day": at_us // DAY_US,
            "item": list(chain.from_iterable(items)),
            "team": teams,
            "reward": reward_R,
        }
    )
    return credits[credits["team"].notna()]


def _rows(measuring: Measuring, credits: pd.DataFrame, head: frozenset[str]) -> list[VisitorDay]:
    """Return two rows for each visitor and day, one of each arm."""
    keys = measuring.visitor_keys(credits["visitor"].unique())
    credits = credits.assign(is_rare=~credits["item"].isin(head))
    picked = credits.groupby(["visitor", "day", "team"]).agg(
        num_shown=("item", "size"), num_rare=("is_rare", "sum"), reward=("reward", "sum")
    )
    by_place = {place: found for place, *found in picked.itertuples(name=None)}
    days = credits.groupby(["visitor", "day"], as_index=False).agg(
        num_lists=("list", "nunique"), first_us=("at_us", "min")
    )
    rows = []
    for visitor, day, num_lists, first_us in days.itertuples(index=False, name=None):
        for arm in measuring.experiment.draft.arms:
            num_shown, num_rare, reward = by_place.get((visitor, day, arm.name), (0, 0, 0.0))
            row = VisitorDay(
                visitor_key=keys[visitor],
                day=int(day),
                arm=arm.name,
                first_us=int(first_us),
                num_lists=int(num_lists),
                num_shown=int(num_shown),
                num_rare=int(num_rare),
                reward=float(reward),
            )
            rows.append(row)
    return rows
