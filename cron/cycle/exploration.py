"""Measure what exploring costs in each placement, from the lists of the last week.

The worker does it after collecting: once an hour, and every five minutes while there are few
slates, so that a shop that begins to explore need not wait. It reads the slates that an exploring
policy chose and their rewards. Lists of experiments count like others; interleaved ones have no
propensities and are left out.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.errors import FreshetError, LeaseLost
from cron.evaluation.dense import Booleans
from cron.evaluation.given_up import READABLE, ExploredSlates, price_of, ranks_by_propensities
from cron.evaluation.logged_slates import Integers, LoggedSlates
from cron.experiments.exploration_price import ExplorationPrice, PlacementPrice
from cron.journal.journal import Journal
from cron.ledger import exploration_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.settings.tree import RewardSettings
from cron.shown_rewards import CLOCK_SLACK_US, EVENT_COLUMNS, SLATE_COLUMNS, join_rewards
from cron.visitor_days.reading import read_numbers

EVERY = timedelta(hours=1)
WHILE_FEW, FEW_SLATES = timedelta(minutes=5), 1_000  # of all placements and policies together
WITHIN = timedelta(days=7)
MAX_SLATES = 20_000  # the newest of a placement and policy
WITHOUT_PROPENSITIES = ("popular", "interleaved")  # policies, as slates name them
_COLUMNS = (*SLATE_COLUMNS, "placement", "policy", "propensities", "fallback", "greedy_ranks")

log = logging.getLogger(__name__)


def measure_exploration(
    ledger: Ledger, journal: Journal, reward: RewardSettings, lease: Lease
) -> None:
    """Measure the prices, if that was not done lately; raise LeaseLost.

    What cannot be read now is measured at the next turn.
    """
    now = ledger.now()
    last = exploration_rows.every(ledger)
    if last and timedelta(0) <= now - max(one.measured_at for one in last) < _pause_after(last):
        return
    try:
        prices = exploration_prices(journal, reward, now=now)
    except LeaseLost:
        raise
    except FreshetError as error:
        log.warning("price of exploration not measured", extra={"why": str(error)})
        return
    if prices or last:
        exploration_rows.replace_all(ledger, prices, lease=lease)


def _pause_after(prices: Sequence[PlacementPrice]) -> timedelta:
    num_slates = sum(one.price.num_slates for one in prices)
    return WHILE_FEW if num_slates < FEW_SLATES else EVERY


def exploration_prices(
    journal: Journal, reward: RewardSettings, *, now: datetime
) -> list[PlacementPrice]:
    """Return the prices of the last week; raise as reading the journal."""
    explored: dict[tuple[str | None, str], list[pa.Table]] = defaultdict(list)
    for rows in journal.slates.tables_since(now - WITHIN, columns=_COLUMNS):
        for place, part in _explored_parts(rows).items():
            explored[place].append(part)
    return [
        PlacementPrice(
            placement=placement,
            policy=policy,
            measured_at=now,
            price=_price(journal, pa.concat_tables(parts), policy, reward),
        )
        for (placement, policy), parts in explored.items()
    ]


def _explored_parts(rows: pa.Table) -> dict[tuple[str | None, str], pa.Table]:
    """Return the slates of users in which chance had a part, by placement and policy."""
    has_propensities = pc.invert(pc.is_in(rows["policy"], value_set=pa.array(WITHOUT_PROPENSITIES)))
    is_ours = pc.and_(pc.is_valid(rows["user_id"]), pc.invert(rows["fallback"]))
    kept = rows.filter(pc.and_(is_ours, has_propensities))
    has_chance = [
        any(one is not None and one < 1 for one in propensities)
        for propensities in kept["propensities"].to_pylist()
    ]
    explores = pc.or_(pa.array(has_chance, pa.bool_()), pc.is_valid(kept["greedy_ranks"]))
    kept = kept.filter(explores)
    places = list(zip(kept["placement"].to_pylist(), kept["policy"].to_pylist(), strict=True))
    return {
        place: kept.filter(pa.array([one == place for one in places], pa.bool_()))
        for place in dict.fromkeys(places)
    }


def _price(
    journal: Journal, slates: pa.Table, policy: str, reward: RewardSettings
) -> ExplorationPrice:
    newest = [("at_us", "descending"), ("event_id", "ascending")]
    has_ranks = pc.is_valid(slates["greedy_ranks"])
    if pc.any(has_ranks).as_py():
        slates = slates.filter(has_ranks)
    slates = slates.sort_by(newest).slice(0, MAX_SLATES).combine_chunks()
    users = pc.unique(slates["user_id"]).to_pylist()
    found = journal.by_user.of(users, (1, journal.last_seq))
    since_us = pc.min(slates["at_us"]).as_py() - CLOCK_SLACK_US
    seqs = found["seq"].to_numpy()[found["at_us"].to_numpy() >= since_us]
    events = read_numbers(journal, seqs.tolist(), EVENT_COLUMNS)
    shown = join_rewards(slates, events, reward)
    number_of = {user_id: number for number, user_id in enumerate(users)}
    user_N = np.array([number_of[user_id] for user_id in slates["user_id"].to_pylist()])
    propensity_R = pc.list_flatten(slates["propensities"].combine_chunks())
    logging_R = pc.fill_null(propensity_R, 1.0).to_numpy(zero_copy_only=False)
    logged = LoggedSlates(
        slate_R=shown.slate_R,
        position_R=shown.position_R,
        user_R=user_N[shown.slate_R],
        reward_R=shown.reward_R,
        logging_R=logging_R,
        target_R=logging_R,
    )
    is_pin_R = propensity_R.is_null().to_numpy(zero_copy_only=False)
    rank_R = _ranks(slates, logged, is_pin_R, policy)
    if rank_R is None:
        return _unreadable(logged, policy)
    return price_of(ExploredSlates(logged=logged, is_pin_R=is_pin_R, rank_R=rank_R), policy)


def _ranks(
    slates: pa.Table, logged: LoggedSlates, is_pin_R: Booleans, policy: str
) -> Integers | None:
    """Return the ranks in the greedy list; None if it can't be known.

    Slates of earlier releases lack them.
    """
    if pc.any(pc.is_null(slates["greedy_ranks"])).as_py():
        known_R = ranks_by_propensities(logged.logging_R, logged.slate_R, is_pin_R)
        return known_R if policy in READABLE and known_R.any() else None
    ranks = pc.list_flatten(slates["greedy_ranks"].combine_chunks())
    return np.asarray(pc.fill_null(ranks, 0).to_numpy(zero_copy_only=False), np.int64)


def _unreadable(logged: LoggedSlates, policy: str) -> ExplorationPrice:
    num_slates = len(np.unique(logged.slate_R))
    return ExplorationPrice(
        num_slates=num_slates,
        num_items=len(logged.slate_R),
        moved_share=None,
        earned=float(logged.reward_R.sum() / num_slates),
        why_unknown=f"these lists of {policy} do not say which items greedy ones would have",
    )
