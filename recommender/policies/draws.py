"""Lists drawn by a policy, and the propensities of a list that was drawn before.

A propensity is the probability with which the policy chooses an item for its slot, given the items
before it. The product of a list's propensities is the probability of the list.

P  items of the pool, best first    K  slots    M  draws
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.policies.probabilities import slot_probabilities
from recommender.policies.slots import Floats, PolicyPool, Slots
from recommender.requests.list_policy import ListPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnList:
    """The drawn items by their places in the pool, in order, with their propensities."""

    places: tuple[int, ...]
    propensities: tuple[float, ...]


def draw_list(policy: ListPolicy, pool: PolicyPool, uniform_K: Floats) -> DrawnList:
    """Draw a list with one number in [0, 1) for each slot; it is shorter if no item is left."""
    slots = Slots(pool)
    places, propensities = list[int](), list[float]()
    for uniform in uniform_K:
        chance_P = slot_probabilities(policy, slots)
        if not chance_P.any():
            break
        place = int(pick(chance_P, np.array([uniform]))[0])
        places.append(place)
        propensities.append(float(chance_P[place]))
        slots.take(place)
    return DrawnList(places=tuple(places), propensities=tuple(propensities))


def greedy_places(pool: PolicyPool, k: int) -> tuple[int, ...]:
    """Return the list of at most k items that `greedy` without new items makes of the pool."""
    if not pool.limits and pool.unlikeness is None:
        return tuple(np.flatnonzero(pool.is_listed_P)[:k].tolist())
    return draw_list(ListPolicy(name="greedy"), pool, np.zeros(k)).places


def uniforms(seed: int | None, k: int) -> Floats:
    """Return the numbers to draw a list with; a policy that does not explore needs no seed."""
    return np.zeros(k) if seed is None else np.random.default_rng(seed).random(k)


def pick(chance_P: Floats, uniform_M: Floats) -> npt.NDArray[np.int64]:
    """Return the place that each number in [0, 1) stands for; never one without a chance."""
    cumulative_P = chance_P.cumsum()
    places_M: npt.NDArray[np.int64] = np.searchsorted(
        cumulative_P, uniform_M * cumulative_P[-1], side="right"
    )
    is_beyond_M = places_M == len(chance_P)  # the product was rounded up to the sum
    if is_beyond_M.any():
        places_M[is_beyond_M] = np.flatnonzero(chance_P)[-1]
    return places_M


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotChances:
    """The propensity of a list's item in its slot, and the items that are likeliest there.

    `alternatives` are places in the pool with their propensities, the likeliest first; the list's
    own item may be among them. Items without a chance are not.
    """

    propensity: float
    alternatives: tuple[tuple[int, float], ...] = ()


def list_chances(
    policy: ListPolicy,
    pool: PolicyPool,
    places: Sequence[int | None],
    *,
    num_alternatives: int = 0,
) -> tuple[SlotChances, ...]:
    """Return the chances in each slot of a list, given by its places in the pool.

    None stands for an item that is not in the pool: its propensity is 0, and it changes nothing.
    """
    slots = Slots(pool)
    chances = []
    for place in places:
        if place is None and not num_alternatives:
            chances.append(SlotChances(propensity=0.0))
            continue
        chance_P = slot_probabilities(policy, slots)
        chances.append(
            SlotChances(
                propensity=0.0 if place is None else float(chance_P[place]),
                alternatives=_likeliest(chance_P, num_alternatives),
            )
        )
        if place is not None:
            slots.take(place)
    return tuple(chances)


def _likeliest(chance_P: Floats, num: int) -> tuple[tuple[int, float], ...]:
    """Return the places with the greatest chances; ties in the order of the pool."""
    order_P = np.argsort(-chance_P, kind="stable")[:num]
    return tuple((int(place), float(chance_P[place])) for place in order_P if chance_P[place] > 0)
