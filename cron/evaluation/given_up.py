"""The price of exploration: how many places it takes, and the reward that they give up.

Slates have the rank of each shown item in the greedy list of the same pool. So the share of items
that a greedy list would not have is known for all policies. The reward given up is what greedy
lists would earn minus what was earned, per slate, by the first of two estimators that can say it:

* `cascade`, `interaction_ips`: each position's reward weighs 1 / (product of the propensities so
  far) if all items so far are greedy, and 0 otherwise (McInerney and others 2020). A reward may
  depend on the items above it.
* `place`, `cron.evaluation.item_by_item`: a reward may depend on the item and its place alone.

The first knows nothing where hardly a list begins like the greedy one. Neither knows what the
policy never shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import Booleans, DenseSlates, dense_slates
from cron.evaluation.intervals import Resampling, studentised_interval
from cron.evaluation.inverse_propensity import interaction_ips
from cron.evaluation.item_by_item import (
    MAX_PLACES,
    GreedyPlaces,
    given_up_by_item,
    weights_of_items,
)
from cron.evaluation.logged_slates import Integers, LoggedSlates
from cron.evaluation.support import Requirements, why_unknown
from cron.experiments.exploration_price import ExplorationPrice

_SURELY_GREEDY = 0.5
READABLE = ("greedy", "epsilon")  # policies whose explored items are known by their propensities
_SHOW_ALL = ("epsilon", "plackett_luce")  # policies that may show every item of the pool anywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploredSlates:
    """Slates of a policy, of each at least one row, in the order of their positions.

    `rank_R` is the rank in the greedy list, from 1, and 0 for other items and for pins. A pin has a
    propensity of 1. The target of `logged` is left out of account.
    """

    logged: LoggedSlates
    is_pin_R: Booleans
    rank_R: Integers


def price_of(
    slates: ExploredSlates,
    policy: str,
    *,
    resampling: Resampling | None = None,
    requirements: Requirements | None = None,
) -> ExplorationPrice:
    """Return the price of at least one slate."""
    resampling, requirements = resampling or Resampling(), requirements or Requirements()
    place_R, rank_R = _places_and_ranks(slates)
    is_chosen_R = ~slates.is_pin_R
    target_R = np.where((rank_R == place_R) | slates.is_pin_R, 1.0, 0.0)
    dense = dense_slates(replace(slates.logged, target_R=target_R))
    num_outside = int((is_chosen_R & (rank_R == 0)).sum())
    price = ExplorationPrice(
        num_slates=len(dense.user_N),
        num_items=len(rank_R),
        moved_share=num_outside / max(len(rank_R), 1),
        earned=float(dense.reward_NK.sum(axis=1).mean()),
    )
    greedy = interaction_ips(dense, None)
    why = why_unknown(dense, greedy, greedy, requirements)
    if why is None:
        difference = replace(greedy, earned_NK=greedy.earned_NK - dense.reward_NK)
        low, high = studentised_interval(difference, resampling)
        given_up = difference.value()
        return replace(price, given_up=given_up, low=low, high=high, assumes="cascade")
    places = _greedy_places(slates, place_R, rank_R)
    why = _why_unknown_by_item(places, requirements, shows_all=policy in _SHOW_ALL)
    if why is not None:
        return replace(price, why_unknown=why)
    given_up, low, high = given_up_by_item(places, resampling)
    return replace(price, given_up=given_up, low=low, high=high, assumes="place")


def ranks_by_propensities(logging_R: np.ndarray, slate_R: Integers, is_pin_R: Booleans) -> Integers:
    """Return the ranks in the greedy list of slates that don't have them, by a READABLE policy.

    An item with a propensity above a half is surely the best one that is left: no other item can
    have as much. Below a half of `epsilon` and of `new_items`, every other item was explored.
    """
    is_greedy_R = (logging_R > _SURELY_GREEDY) & ~is_pin_R
    return np.where(is_greedy_R, _count_within(is_greedy_R, slate_R), 0)


def _places_and_ranks(slates: ExploredSlates) -> tuple[Integers, Integers]:
    """Return the places without pins, from 1, and the ranks that fit into lists of that length."""
    is_chosen_R = ~slates.is_pin_R
    place_R = _count_within(is_chosen_R, slates.logged.slate_R)
    _, slate_of_R = np.unique(slates.logged.slate_R, return_inverse=True)
    length_R = np.bincount(slate_of_R, weights=is_chosen_R)[slate_of_R]
    return place_R, np.where(is_chosen_R & (slates.rank_R <= length_R), slates.rank_R, 0)


def _count_within(is_counted_R: Booleans, slate_R: Integers) -> Integers:
    """Return how many rows of the same slate, up to each row, are counted."""
    total_R = is_counted_R.cumsum()
    starts = np.flatnonzero(np.diff(slate_R, prepend=slate_R[:1] - 1))
    before = np.where(starts > 0, total_R[starts - 1], 0)
    lengths = np.diff(starts, append=len(slate_R))
    return np.asarray(total_R - np.repeat(before, lengths), np.int64)


def _greedy_places(slates: ExploredSlates, place_R: Integers, rank_R: Integers) -> GreedyPlaces:
    is_chosen_R = ~slates.is_pin_R
    logged = slates.logged
    _, first_N, slate_of_R = np.unique(logged.slate_R, return_index=True, return_inverse=True)
    num_places = int(place_R.max(initial=1))
    at_R = slate_of_R[is_chosen_R], place_R[is_chosen_R] - 1
    shape = len(first_N), num_places
    rank_NK, shown_NK = np.full(shape, -1, np.int64), np.zeros(shape, np.bool_)
    propensity_NK, reward_NK = np.ones(shape), np.zeros(shape)
    rank_NK[at_R] = rank_R[is_chosen_R] - 1
    shown_NK[at_R] = True
    propensity_NK[at_R] = logged.logging_R[is_chosen_R]
    reward_NK[at_R] = logged.reward_R[is_chosen_R]
    return GreedyPlaces(
        user_N=logged.user_R[first_N],
        shown_NK=shown_NK,
        rank_NK=rank_NK,
        propensity_NK=propensity_NK,
        reward_NK=reward_NK,
    )


def _why_unknown_by_item(
    places: GreedyPlaces, requirements: Requirements, *, shows_all: bool
) -> str | None:
    """Return why slates can't say what is given up if each item earns by itself.

    Of a policy that may show everything the weights need no check, and being skewed would fail it.
    """
    if places.rank_NK.shape[1] > MAX_PLACES:
        return f"lists of more than {MAX_PLACES} items vary too much"
    own_NK, early_NK = weights_of_items(places)
    shown_NK = places.shown_NK.astype(np.float64)
    weights = Contributions(
        user_N=places.user_N,
        earned_NK=own_NK * places.reward_NK,
        normaliser_NK=shown_NK,
        shown_NK=shown_NK,
        weight_NK=own_NK,
    )
    every = replace(weights, weight_NK=own_NK + early_NK)
    dense = DenseSlates(
        user_N=places.user_N,
        shown_NK=places.shown_NK,
        reward_NK=places.reward_NK,
        weight_NK=own_NK,
    )
    checked = None if shows_all else every
    return why_unknown(dense, weights, checked, requirements)
