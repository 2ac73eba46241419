"""A list while it is filled: which items may come next, and what each is worth there.

P  items of the pool, best first    D  width of a vector    M  samples of a posterior
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommender.catalogue.attribute_index import Value

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueLimit:
    """At most `limit` items may have the same value. `taken` counts items beside the list."""

    limit: int
    values_P: Sequence[Sequence[Value]]
    taken: Mapping[Value, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unlikeness:
    """How strongly items like those before them are avoided, from 0 to 1, by unit vectors.

    `relevance_P` is what an item is worth by itself, where a cosine of 1 costs 1, and `unit` how
    many spreads of the list's scores these 1 are.
    """

    strength: float
    unit_PD: npt.NDArray[np.float32]
    relevance_P: Floats
    unit: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PolicyPool:
    """What a policy chooses from, the highest score first.

    The scores include boosts, and `spread` is what a temperature of 1 is. `is_listed_P` has the
    items that the policy itself may choose, `is_new_P` those of the share of new items. An item
    that is neither is never chosen, but counts for the rules when it is taken. `lifts_MP` are the
    spreads that each sample of a posterior adds to the scores, and `deviations_MP` those that each
    draw adds to the scores of new items.
    """

    scores_P: Floats
    spread: float
    is_listed_P: Mask
    is_new_P: Mask
    limits: Sequence[ValueLimit] = ()
    unlikeness: Unlikeness | None = None
    lifts_MP: Floats | None = None
    deviations_MP: Floats | None = None


class Slots:
    """The next slot of a list, after the items that were taken."""

    def __init__(self, pool: PolicyPool) -> None:
        self.pool = pool
        self.is_open_P = np.ones(len(pool.scores_P), np.bool_)
        self._nearest_P = np.zeros(len(pool.scores_P))
        self._plain_P = pool.scores_P / pool.spread
        self._limits = [_OpenLimit(one) for one in pool.limits]
        for limit in self._limits:
            limit.close_full(self.is_open_P)

    @property
    def worth_P(self) -> Floats:
        """What each item is worth in this slot, whether it may come or not."""
        unlikeness = self.pool.unlikeness
        if unlikeness is None:
            return self.pool.scores_P
        relevance_P = (1 - unlikeness.strength) * unlikeness.relevance_P
        return relevance_P - unlikeness.strength * self._nearest_P

    @property
    def spreads_P(self) -> Floats:
        """The worth in spreads of the list's scores."""
        unlikeness = self.pool.unlikeness
        if unlikeness is None:
            return self._plain_P
        return self.worth_P * unlikeness.unit

    @property
    def lifted_MP(self) -> Floats:
        """The worth in spreads by each sample of the posterior; one row without a posterior."""
        if self.pool.lifts_MP is None:
            return self.spreads_P[np.newaxis]
        return self.spreads_P + self._weight * self.pool.lifts_MP

    def drawn_MX(self, places_X: npt.NDArray[np.int64]) -> Floats | None:
        """Return the worth of new items in spreads by each draw; None where nothing is drawn."""
        if self.pool.deviations_MP is None:
            return None
        return self.spreads_P[places_X] + self._weight * self.pool.deviations_MP[:, places_X]

    @property
    def _weight(self) -> float:
        """How much the score counts beside diversity."""
        unlikeness = self.pool.unlikeness
        return 1.0 if unlikeness is None else 1 - unlikeness.strength

    def take(self, place: int) -> None:
        """Put an item of the pool into this slot, and go to the next one."""
        self.is_open_P[place] = False
        for limit in self._limits:
            limit.take(place, self.is_open_P)
        unlikeness = self.pool.unlikeness
        if unlikeness is not None:
            cosines_P = unlikeness.unit_PD @ unlikeness.unit_PD[place]
            np.maximum(self._nearest_P, cosines_P, out=self._nearest_P)


class _OpenLimit:
    """How many items of each value are in the list."""

    def __init__(self, limit: ValueLimit) -> None:
        self._limit = limit
        self._counts = Counter(limit.taken)
        self._places = defaultdict[Value, list[int]](list)
        for place, values in enumerate(limit.values_P):
            for value in values:
                self._places[value].append(place)

    def close_full(self, is_open_P: Mask) -> None:
        """Close the items of the values that are full from the start."""
        for value in self._places:
            self._close(value, is_open_P)

    def take(self, place: int, is_open_P: Mask) -> None:
        """Count an item, once for each of its values, and close those that are full."""
        for value in {*self._limit.values_P[place]}:
            self._counts[value] += 1
            self._close(value, is_open_P)

    def _close(self, value: Value, is_open_P: Mask) -> None:
        if self._counts[value] >= self._limit.limit:
            is_open_P[self._places[value]] = False
