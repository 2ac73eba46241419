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


def list_propensities(
    policy: ListPolicy, pool: PolicyPool, places: Sequence[int | None]
) -> tuple[float, ...]:
    """Return the propensity of each item of a list, given by its place in the pool.

    None stands for an item that is not in the pool: its propensity is 0, and it changes nothing.
    """
    slots = Slots(pool)
    propensities = []
    for place in places:
        if place is None:
            propensities.append(0.0)
            continue
        propensities.append(float(slot_probabilities(policy, slots)[place]))
        slots.take(place)
    return tuple(propensities)
