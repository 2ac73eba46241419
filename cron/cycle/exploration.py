"""Measure what exploring costs in each placement, from the lists of the last week.

The worker does it after collecting: once an hour, and every five minutes while there are few
slates, so that a shop that begins to explore need not wait. It reads the newest slates that an
exploring policy chose and their rewards. Lists of experiments count like others; interleaved ones
have no propensities and are left out.
"""

from __future__ import annotations

import logging
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
_COLUMNS = (*SLATE_COLUMNS, "propensities", "greedy_ranks")

log = logging.getLogger(__name__)


def measure_exploration(
    ledger: Ledger, journal: Journal, reward: RewardSettings, lease: Lease
) -> None:
    """Measure the prices, if that was not done lately; raise LeaseLost.

    What cannot be read now is measured at the next turn.
    """
    now, measured_at = ledger.now(), exploration_rows.measured_at(ledger)
    if measured_at is not None:
        pause = _pause_after(exploration_rows.every(ledger))
        if timedelta(0) <= now - measured_at < pause:
            return
    try:
        prices = exploration_prices(journal, reward, now=now, lease=lease)
    except LeaseLost:
        raise
    except FreshetError as error:
        log.warning("price of exploration not measured", extra={"why": str(error)})
        return
    exploration_rows.replace_all(ledger, prices, at=now, lease=lease)


def _pause_after(prices: Sequence[PlacementPrice]) -> timedelta:
    num_slates = sum(one.price.num_slates for one in prices)
    return WHILE_FEW if num_slates < FEW_SLATES else EVERY


def exploration_prices(
    journal: Journal, reward: RewardSettings, *, now: datetime, lease: Lease
) -> list[PlacementPrice]:
    """Return the prices of the last week; raise LeaseLost, or as reading the journal."""
    explored = journal.slates.newest_exploring(
        now - WITHIN, limit=MAX_SLATES, columns=_COLUMNS, lease=lease
    )
    return [
        PlacementPrice(
            placement=placement,
            policy=policy,
            measured_at=now,
            price=_price(journal, slates, policy, reward),
        )
        for (placement, policy), slates in explored.items()
    ]


def _price(
    journal: Journal, slates: pa.Table, policy: str, reward: RewardSettings
) -> ExplorationPrice:
    has_ranks = pc.is_valid(slates["greedy_ranks"])
    if pc.any(has_ranks).as_py():
        slates = slates.filter(has_ranks)
    slates = slates.combine_chunks()
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
