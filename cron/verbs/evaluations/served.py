"""Slates to evaluate: chosen from the journal, sampled, and joined with their rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import micros
from cron.evaluation.answered_slates import RewardedSlate
from cron.journal.journal import Journal
from cron.settings.tree import RewardSettings
from cron.shown_rewards import CLOCK_SLACK_US, EVENT_COLUMNS, join_rewards
from cron.slates import slate_tables

_CHOSEN_BY = ("event_id", "user_id", "placement", "policy", "fallback", "teams")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateChoice:
    """Which slates: since a time, of a placement and of a logging policy (None for any).

    Of more than `sample` a part is drawn at random by `seed`. `needs_propensities` leaves out the
    lists of popular items, which no policy chose.
    """

    since: datetime
    placement: str | None = None
    policy: str | None = None
    sample: int = 5_000
    seed: int = 0
    needs_propensities: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedSlates:
    """The slates that were chosen, and how many of the placement there were and were left out.

    `by_policy` counts all that could be chosen, by their policy; `by_placement` counts all slates
    of the time, whatever was chosen (None: lists without a placement).
    """

    slates: Sequence[RewardedSlate]
    num_fallbacks: int
    num_without_user: int
    num_interleaved: int
    by_policy: Mapping[str, int]
    by_placement: Mapping[str | None, int]


def served_slates(journal: Journal, choice: SlateChoice, reward: RewardSettings) -> EvaluatedSlates:
    """Return the slates of a choice with their rewards; raise as reading the journal.

    An event that names no list counts for the newest list of its user with the item, so all lists
    of the chosen users are read, whatever their placement.
    """
    found = _find(journal, choice)
    every = _slates_of(journal, {*found.users}, choice.since)
    events = _events_of(journal, {*found.users}, choice.since)
    shown = join_rewards(every, events, reward)
    is_chosen = pc.is_in(every["event_id"], pa.array(found.ids, pa.string())).to_pylist()
    rewards = np.split(shown.reward_R, np.flatnonzero(np.diff(shown.slate_R)) + 1)
    by_row = dict(zip(np.unique(shown.slate_R).tolist(), rewards, strict=False))
    slates = [
        _slate_of_row(row, by_row[place].tolist(), choice)
        for place, row in enumerate(every.to_pylist())
        if is_chosen[place] and place in by_row
    ]
    return EvaluatedSlates(
        slates=slates,
        num_fallbacks=found.num_fallbacks,
        num_without_user=found.num_without_user,
        num_interleaved=found.num_interleaved,
        by_policy=found.by_policy,
        by_placement=found.by_placement,
    )


@dataclass(slots=True, kw_only=True)
class _Draw:
    ids: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    by_policy: Counter[str] = field(default_factory=Counter)
    by_placement: Counter[str | None] = field(default_factory=Counter)
    num_fallbacks: int = 0
    num_without_user: int = 0
    num_interleaved: int = 0


def _find(journal: Journal, choice: SlateChoice) -> _Draw:
    """Return the ids and users of the chosen slates, sampled, and the counts before that."""
    found = _Draw()
    for table in journal.slates.tables_since(choice.since, columns=_CHOSEN_BY):
        found.by_placement.update(table["placement"].to_pylist())
        placed = _equal(table, "placement", choice.placement)
        of_model = placed
        if choice.needs_propensities:
            of_model = placed.filter(pc.invert(placed["fallback"]))
        found.num_fallbacks += placed.num_rows - of_model.num_rows
        of_one = of_model.filter(pc.is_null(of_model["teams"]))
        found.num_interleaved += of_model.num_rows - of_one.num_rows
        of_users = of_one.filter(pc.is_valid(of_one["user_id"]))
        found.num_without_user += of_one.num_rows - of_users.num_rows
        rows = _equal(of_users, "policy", choice.policy)
        found.by_policy.update(rows["policy"].to_pylist())
        found.ids += rows["event_id"].to_pylist()
        found.users += rows["user_id"].to_pylist()
    if len(found.ids) > choice.sample:
        generator = np.random.default_rng(choice.seed)
        drawn = generator.choice(len(found.ids), choice.sample, replace=False).tolist()
        found.ids = [found.ids[place] for place in drawn]
        found.users = [found.users[place] for place in drawn]
    return found


def _equal(table: pa.Table, column: str, value: str | None) -> pa.Table:
    """Return the rows with a value; all of them for None."""
    return table if value is None else table.filter(pc.equal(table[column], value))


def _slates_of(journal: Journal, users: set[str], since: datetime) -> pa.Table:
    wanted = pa.array(sorted(users), pa.string())
    parts = [
        rows.filter(pc.is_in(rows["user_id"], wanted))
        for rows in journal.slates.tables_since(since)
    ]
    return pa.concat_tables([slate_tables.SCHEMA.empty_table(), *parts])


def _events_of(journal: Journal, users: set[str], since: datetime) -> pa.Table:
    wanted, since_us = pa.array(sorted(users), pa.string()), micros(since) - CLOCK_SLACK_US
    parts = []
    for rows in journal.read_segments(1, journal.last_seq, columns=("kind", *EVENT_COLUMNS)):
        is_wanted = pc.and_(pc.equal(rows["kind"], "event"), pc.is_in(rows["user_id"], wanted))
        is_wanted = pc.and_(is_wanted, pc.greater_equal(rows["at_us"], since_us))
        parts.append(rows.filter(is_wanted))
    if not parts:
        parts = [journal.read(1, 0, columns=("kind", *EVENT_COLUMNS))]
    return pa.concat_tables(parts)


def _slate_of_row(
    row: Mapping[str, object], rewards: Sequence[float], choice: SlateChoice
) -> RewardedSlate:
    (slate,) = slate_tables.slates_of(pa.Table.from_pylist([row], schema=slate_tables.SCHEMA))
    assert slate.user_id is not None  # those without a user were left out
    propensities = slate.propensities
    if slate.fallback and not choice.needs_propensities:
        propensities = (1.0,) * len(slate.items)  # popular items are no pins
    return RewardedSlate(
        user_id=slate.user_id,
        placement=slate.placement,
        at=slate.at,
        version=slate.version,
        items=slate.items,
        propensities=propensities,
        rewards=tuple(rewards),
    )
