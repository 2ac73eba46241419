"""What greedy lists would earn more, if each item earns by itself and by its place.

A list that leaves every place to chance is hardly ever the greedy one, so weights of whole lists
say nothing. Here each item of the greedy list counts alone. Let item j be its j-th, let p be the
propensity of an item at its place given those before it, and let e_k be how much a place earns. For
each item j of the greedy list, a slate contributes

    reward / p           if j was shown at place j,
    reward × e_j / e_i   if j was shown at an earlier place i,

and nothing otherwise. Given that j was not shown before, the first has the mean of j's reward at
place j; so together they have it, if the reward is what the item is worth times what the place is
(the position-based model: Richardson and others, Predicting Clicks, WWW 2007). The weights 1 / p of
each j are scaled to add up to the slates in which it was not shown before, as they do on average.

The places' effects come from the same slates, as e_k = k^-h. Of the item i of the greedy list,

    e_(i+1) / e_i = Σ reward / p at place i + 1  ÷  Σ reward × (1 − p) / p at place i,

since both sums are over the slates in which the item was not shown before, and 1 − p is the
probability that it was not shown at place i either. h solves this for the sums over all pairs of
neighbours. Neither weight is great: an item that its own place does not show is likely at the next.

N  slates   K  places   U  users or groups of them   B  resamples   S  sums
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cron.evaluation.intervals import Resampling, draws_of_units
from cron.evaluation.logged_slates import Floats, Integers

MAX_PLACES = 50  # the sums have K² columns
_MAX_UNITS = 1_000
_LEAST_DECAY, _GREATEST_DECAY, _HALVINGS = -1.0, 3.0, 30  # of h; 1 is e_k = 1 / k


@dataclass(frozen=True, slots=True, kw_only=True)
class GreedyPlaces:
    """Slates without their pins, and the place of each item in the greedy list, from 0.

    `rank_NK` is -1 for an item that the greedy list of the same length does not have, and where a
    slate has no item.
    """

    user_N: Integers
    shown_NK: NDArray[np.bool_]
    rank_NK: Integers
    propensity_NK: Floats
    reward_NK: Floats


def weights_of_items(slates: GreedyPlaces) -> tuple[Floats, Floats]:
    """Return the weights of the greedy list's items at their own places, and 1 if shown earlier.

    Their sum has mean 1 for each item, if the policy could choose all of the greedy list.
    """
    num_places = slates.rank_NK.shape[1]
    is_own_NK = slates.shown_NK & (slates.rank_NK == np.arange(num_places))
    own_NK = np.where(is_own_NK, 1 / slates.propensity_NK, 0.0)
    early_NK = np.zeros_like(own_NK)
    slate_R, place_R = np.nonzero(slates.rank_NK > np.arange(num_places))
    early_NK[slate_R, slates.rank_NK[slate_R, place_R]] = 1.0
    return own_NK, early_NK


def given_up_by_item(slates: GreedyPlaces, resampling: Resampling) -> tuple[float, float, float]:
    """Return what a greedy list would earn more than the slates did, and its interval.

    The interval is that of a normal distribution whose width is from a bootstrap over users.
    """
    generator = np.random.default_rng(resampling.seed)
    num_places = slates.rank_NK.shape[1]
    sums_US = _sums(slates, generator)
    value = float(_values(sums_US.sum(axis=0, keepdims=True), num_places)[0])
    drawn = [
        _values(draws_BU @ sums_US, num_places)
        for draws_BU in draws_of_units(len(sums_US), resampling.resamples, generator)
    ]
    error = float(np.concatenate(drawn).std())
    width = NormalDist().inv_cdf(0.5 + resampling.confidence / 2) * error
    return value, value - width, value + width


def _sums(slates: GreedyPlaces, generator: np.random.Generator) -> Floats:
    """Return what is summed for each user or group of them, as `_values` reads it."""
    num_places = slates.rank_NK.shape[1]
    _, unit_N = np.unique(slates.user_N, return_inverse=True)
    num_units = int(unit_N.max()) + 1
    if num_units > _MAX_UNITS:
        group_of_unit = generator.permutation(np.arange(num_units) % _MAX_UNITS)
        unit_N, num_units = group_of_unit[unit_N], _MAX_UNITS
    own_NK, early_NK = weights_of_items(slates)
    here_NK, next_NK = _neighbours(slates)
    ones_N, earned_N = np.ones(len(unit_N)), slates.reward_NK.sum(axis=1)
    columns = [own_NK * slates.reward_NK, own_NK, slates.shown_NK - early_NK, here_NK, next_NK]
    per_slate_NS = np.column_stack([ones_N, earned_N, *columns])
    num_columns = per_slate_NS.shape[1]
    sums_US = np.zeros((num_units, num_columns + num_places**2))
    np.add.at(sums_US[:, :num_columns], unit_N, per_slate_NS)
    slate_R, place_R = np.nonzero(slates.rank_NK > np.arange(num_places))
    column_R = num_columns + slates.rank_NK[slate_R, place_R] * num_places + place_R
    np.add.at(sums_US, (unit_N[slate_R], column_R), slates.reward_NK[slate_R, place_R])
    return sums_US


def _neighbours(slates: GreedyPlaces) -> tuple[Floats, Floats]:
    """Return both sums of each pair of neighbours, as matrices with one column less than places."""
    places = np.arange(slates.rank_NK.shape[1] - 1)
    is_here_NK, is_next_NK = slates.rank_NK[:, :-1] == places, slates.rank_NK[:, 1:] == places
    inverse_NK = 1 / slates.propensity_NK
    here_NK = is_here_NK * slates.reward_NK[:, :-1] * (inverse_NK[:, :-1] - 1)
    next_NK = is_next_NK * slates.reward_NK[:, 1:] * inverse_NK[:, 1:]
    return here_NK, next_NK


def _values(sums_BS: Floats, num_places: int) -> Floats:
    """Return what is given up per slate, by each row of sums.

    They are, in order: slates and what they earned; of each item at its own place the weighted
    rewards, the weights, and the slates in which it was not shown before; both sums of each pair of
    neighbours; and the rewards of items that came early, by item and place.
    """
    widths = [1, 1, *[num_places] * 3, *[num_places - 1] * 2]
    parts = np.split(sums_BS, np.cumsum(widths), axis=1)
    slates_B1, earned_B1, own_BK, weight_BK, open_BK, here_BK, next_BK, early_BX = parts
    own_BK = np.divide(own_BK * open_BK, weight_BK, out=np.zeros_like(own_BK), where=weight_BK > 0)
    effects_BK = np.arange(1, num_places + 1) ** -_decays(here_BK, next_BK)[:, np.newaxis]
    early_BKK = early_BX.reshape(-1, num_places, num_places)
    early_B = np.einsum("brk,br,bk->b", early_BKK, effects_BK, 1 / effects_BK)
    values_B: Floats = (own_BK.sum(axis=1) + early_B - earned_B1[:, 0]) / slates_B1[:, 0]
    return values_B


def _decays(here_BK: Floats, next_BK: Floats) -> Floats:
    """Return h of each row of sums, within its bounds; 0 where neighbours earned nothing.

    The sum that it solves for falls with h, so bisection finds it.
    """
    ratio_K = np.arange(1, here_BK.shape[1] + 1) / np.arange(2, here_BK.shape[1] + 2)
    next_B = next_BK.sum(axis=1)
    low_B, high_B = np.full(len(next_B), _LEAST_DECAY), np.full(len(next_B), _GREATEST_DECAY)
    for _ in range(_HALVINGS):
        middle_B = (low_B + high_B) / 2
        is_small_B = (here_BK * ratio_K ** middle_B[:, np.newaxis]).sum(axis=1) > next_B
        low_B, high_B = (
            np.where(is_small_B, middle_B, low_B),
            np.where(is_small_B, high_B, middle_B),
        )
    is_known_B = (next_B > 0) & (here_BK.sum(axis=1) > 0)
    return np.where(is_known_B, (low_B + high_B) / 2, 0.0)
