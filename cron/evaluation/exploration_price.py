"""The price of exploration: how many places it takes, and the reward that they give up.

In each place of a list the greedy policy would have shown one item, given the items before it. An
item with a propensity above a half is surely that one: no other item can have as much. With
`epsilon` below a half, and with places for new items below a half, every other item was explored.
So both are known from the propensities alone. Under `plackett_luce` the likeliest item may have any
propensity, and the slates don't say which it was.

The reward given up is what the greedy policy would earn minus what was earned, per slate, by
`interaction_ips`: each position's reward weighs 1 / (product of the propensities so far) if all
items so far are greedy, and 0 otherwise (McInerney and others 2020).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cron.evaluation.dense import dense_slates
from cron.evaluation.intervals import Resampling, studentised_interval
from cron.evaluation.inverse_propensity import interaction_ips
from cron.evaluation.logged_slates import LoggedSlates
from cron.evaluation.support import Requirements, why_unknown
from cron.experiments.exploration_price import ExplorationPrice

_SURELY_GREEDY = 0.5
READABLE = ("greedy", "epsilon")  # policies whose explored items are known by their propensities


def price_of(
    slates: LoggedSlates,
    policy: str,
    *,
    resampling: Resampling | None = None,
    requirements: Requirements | None = None,
) -> ExplorationPrice:
    """Return the price of at least one slate; the target of `slates` is left out of account.

    A pin has a propensity of 1.
    """
    dense = dense_slates(slates)
    price = ExplorationPrice(
        num_slates=len(dense.user_N),
        num_items=len(slates.slate_R),
        moved_share=None,
        earned=float(dense.reward_NK.sum(axis=1).mean()),
    )
    is_greedy_R = slates.logging_R > _SURELY_GREEDY
    if policy not in READABLE or not is_greedy_R.any():
        unread = f"lists of {policy} do not say which items greedy ones would have"
        return replace(price, why_unknown=unread)
    target_R = np.where(is_greedy_R, 1.0, 0.0)
    dense = dense_slates(replace(slates, target_R=target_R))
    greedy = interaction_ips(dense, None)
    price = replace(price, moved_share=float(1.0 - is_greedy_R.mean()))
    why = why_unknown(dense, greedy, greedy, requirements or Requirements())
    if why is not None:
        return replace(price, why_unknown=why)
    difference = replace(greedy, earned_NK=greedy.earned_NK - dense.reward_NK)
    low, high = studentised_interval(difference, resampling or Resampling())
    return replace(price, given_up=difference.value(), low=low, high=high)
