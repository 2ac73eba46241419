"""Draws a list many times at once; draws that agree up to a slot are picked together."""

from __future__ import annotations

from collections import Counter

import numpy as np

from recommender.policies.draws import pick
from recommender.policies.probabilities import slot_probabilities
from recommender.policies.slots import Floats, PolicyPool, Slots
from recommender.requests.list_policy import ListPolicy

Places = tuple[int, ...]


def draw_many(policy: ListPolicy, pool: PolicyPool, uniform_MK: Floats) -> Counter[Places]:
    """Return how often each list was drawn; `draw_list` draws the same with one row."""
    counts = Counter[Places]()
    _draw_on(policy, pool, (), uniform_MK, counts)
    return counts


def _draw_on(
    policy: ListPolicy,
    pool: PolicyPool,
    before: Places,
    uniform_MK: Floats,
    counts: Counter[Places],
) -> None:
    slots = Slots(pool)
    for place in before:
        slots.take(place)
    chance_P = slot_probabilities(policy, slots)
    if len(before) == uniform_MK.shape[1] or not chance_P.any():
        counts[before] += len(uniform_MK)
        return
    places_M = pick(chance_P, uniform_MK[:, len(before)])
    for place in np.unique(places_M).tolist():
        _draw_on(policy, pool, (*before, place), uniform_MK[places_M == place], counts)


def chi_square(counts: Counter[Places], expected: dict[Places, float]) -> tuple[float, int]:
    """Return Pearson's statistic and its degrees of freedom; rare lists count as one."""
    observed, wanted = [0.0], [0.0]
    for one, number in expected.items():
        if number < 10:
            observed[0] += counts[one]
            wanted[0] += number
        else:
            observed.append(counts[one])
            wanted.append(number)
    start = 0 if wanted[0] >= 10 else 1
    observed_C, expected_C = np.array(observed[start:]), np.array(wanted[start:])
    statistic = float(((observed_C - expected_C) ** 2 / expected_C).sum())
    return statistic, len(observed_C) - 1


def chi_square_bound(degrees: int, *, deviations: float = 4.75) -> float:
    """Return what the statistic exceeds once in a million times (Wilson and Hilferty 1931)."""
    part = 2 / (9 * max(degrees, 1))
    return float(max(degrees, 1) * (1 - part + deviations * part**0.5) ** 3)
