"""Applies the rules of a list to a pool of items: pure arithmetic, without a model.

The order is: boosts and freshness, minimum rating, then diversity and at most n of a value
together. Filter and exclusions come before, with the pool; pins come after, at the gateway. With a
policy, `recommender.lists.policy_choice` takes the last step, slot by slot.

P  items of the pool, best first    D  width of a vector    K  chosen items
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommender.catalogue.attribute_index import Value
from recommender.requests.list_rules import ListRules

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
SPREAD_OF = 100  # best items whose scores give the list its spread, whatever k is
_OUT = -np.inf


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Items that the rules may choose from, best first, and what the rules need to know of them.

    `amounts` are the spreads that a boost adds to each item, by the boost's name, in order.
    `ratings_P` and the unit vectors `unit_PD` are there if a rule reads them. `values` returns an
    item's values of an attribute. `taken` counts the values of items that are shown beside the
    list. For a policy, new items and others may follow the first `num_listed` items, and
    `lifts_MP` returns what samples of a posterior add to the scores, given the list's spread.
    `deviations_MP` are the spreads that draws add to the scores of new items.
    """

    scores_P: Floats
    amounts: Mapping[str, Floats] = field(default_factory=dict)
    ratings_P: Floats | None = None
    unit_PD: npt.NDArray[np.float32] | None = None
    values: Callable[[int, str], Sequence[Value]] = lambda _place, _name: ()
    taken: Mapping[str, Counter[Value]] = field(default_factory=dict)
    num_listed: int | None = None
    is_new_P: npt.NDArray[np.bool_] | None = None
    lifts_MP: Callable[[float], Floats] | None = None
    deviations_MP: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A rule that changed an item's rank in the list."""

    rule: str
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """The chosen items by their places in the pool, best first, with their scores after boosts.

    `moves` has an entry for each chosen item, if moves were asked for, and `orders` the places
    after each rule. A policy's choice has propensities, and one that explores has the ranks of the
    items in the greedy list of the same pool, 0 for items that it does not have.
    """

    places_K: Places
    scores_K: Floats
    moves: Sequence[tuple[Move, ...]] = ()
    orders: Sequence[tuple[str, Places]] = ()
    propensities: tuple[float, ...] | None = None
    greedy_ranks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arranged:
    """The places of a pool by score after boosts, without those below the minimum rating.

    `orders` has the places after each rule, if moves were asked for.
    """

    order: Places
    scores_P: Floats
    spread: float
    orders: tuple[tuple[str, Places], ...]


def choose(rules: ListRules, pool: Pool, k: int, *, is_traced: bool = False) -> Choice:
    """Return at most k items of the pool. Ties keep the pool's order."""
    arranged = arrange(rules, pool, is_traced=is_traced)
    order, scores_P = arranged.order, arranged.scores_P
    orders = [*arranged.orders]
    if rules.diversity > 0 and rules.at_most and is_traced:
        alone = _Greedy(pool, scores_P, order, rules.diversity, {})
        orders.append(("diversity", alone.order(k)))
    if rules.diversity > 0 or rules.at_most:
        chosen = _Greedy(pool, scores_P, order, rules.diversity, rules.at_most)
        orders.append(("at_most" if rules.at_most else "diversity", chosen.order(k)))
        order = np.array(chosen.places, np.int64)
    places_K = order[:k]
    moves = moves_between(orders, places_K) if is_traced else ()
    return Choice(places_K=places_K, scores_K=scores_P[places_K], moves=moves, orders=orders)


def arrange(rules: ListRules, pool: Pool, *, is_traced: bool = False) -> Arranged:
    """Return the pool after boosts, freshness and the minimum rating."""
    scores_P, spread = pool.scores_P.copy(), spread_of(pool.scores_P[: pool.num_listed])
    order = _best_first(scores_P)
    orders: list[tuple[str, Places]] = [("", order)]
    for name, amount_P in pool.amounts.items():
        scores_P += amount_P * spread
        if is_traced:
            orders.append((name, _best_first(scores_P)))
    order = _best_first(scores_P) if pool.amounts else order
    if rules.min_rating is not None and pool.ratings_P is not None:
        order = order[pool.ratings_P[order] >= rules.min_rating]
        orders.append(("min_rating", order))
    return Arranged(order=order, scores_P=scores_P, spread=spread, orders=tuple(orders))


def spread_of(scores_P: Floats) -> float:
    """Return the standard deviation of the best scores; 1 if they are all the same."""
    spread = float(scores_P[:SPREAD_OF].std()) if len(scores_P) else 0.0
    return spread if spread > 0 else 1.0


def _best_first(scores_P: Floats) -> Places:
    return np.argsort(-scores_P, kind="stable")


class _Greedy:
    """Chooses one item after the other: the most relevant and the least like those before.

    This is maximal marginal relevance (Carbonell and Goldstein 1998): with strength s an item is
    worth (1 − s) · relevance − s · its greatest cosine with a chosen item, at least 0. Relevance is
    linear in the score, 1 for the best one and 0 for the lowest of the SPREAD_OF best.
    """

    def __init__(
        self,
        pool: Pool,
        scores_P: Floats,
        order: Places,
        diversity: float,
        at_most: Mapping[str, int],
    ) -> None:
        self._pool, self._order, self._diversity = pool, order, diversity
        self._at_most = at_most
        self._counts = {name: Counter(pool.taken.get(name, {})) for name in at_most}
        self._relevance = relevance(scores_P[order], scores_P[order])
        self.places: list[int] = []

    def order(self, k: int) -> Places:
        """Choose k items; return them, and the others after them in the order that they had."""
        if self._diversity > 0 and self._pool.unit_PD is not None:
            self._choose_unlike(k, self._pool.unit_PD[self._order])
        else:
            for place in self._order.tolist():
                if len(self.places) == k:
                    break
                self._take(place)
        others = self._order[~np.isin(self._order, self.places)]
        return np.concatenate([np.array(self.places, np.int64), others])

    def _choose_unlike(self, k: int, unit_PD: npt.NDArray[np.float32]) -> None:
        relevance_P = (1 - self._diversity) * self._relevance
        nearest_P = np.zeros(len(self._order))
        is_open_P = np.ones(len(self._order), np.bool_)
        while len(self.places) < k and is_open_P.any():
            worth_P = np.where(is_open_P, relevance_P - self._diversity * nearest_P, _OUT)
            best = int(worth_P.argmax())
            is_open_P[best] = False
            if self._take(int(self._order[best])):
                np.maximum(nearest_P, unit_PD @ unit_PD[best], out=nearest_P)

    def _take(self, place: int) -> bool:
        """Choose an item, unless one of its values has as many items as it may."""
        values = {name: self._pool.values(place, name) for name in self._at_most}
        for name, limit in self._at_most.items():
            if any(self._counts[name][value] >= limit for value in values[name]):
                return False
        for name in self._at_most:
            self._counts[name].update(set(values[name]))
        self.places.append(place)
        return True


def relevance(scores_P: Floats, best_first: Floats) -> Floats:
    """Return what scores are worth: 1 for the best of some scores, 0 for the SPREAD_OF-th."""
    if not len(best_first):
        return np.zeros(len(scores_P))
    low, high = best_first[:SPREAD_OF][-1], best_first[0]
    return (scores_P - low) / (high - low) if high > low else np.zeros(len(scores_P))


def moves_between(orders: Sequence[tuple[str, Places]], places_K: Places) -> list[tuple[Move, ...]]:
    """Return by item which rules changed its rank; every order has all chosen items."""
    found: list[list[Move]] = [[] for _ in places_K]
    before = _ranks(orders[0][1], places_K)
    for rule, order in orders[1:]:
        after = _ranks(order, places_K)
        for moves, rank, rank_after in zip(found, before, after, strict=True):
            if rank != rank_after:
                moves.append(Move(rule=rule, before=rank, after=rank_after))
        before = after
    return [tuple(moves) for moves in found]


def _ranks(order: Places, places_K: Places) -> list[int]:
    rank_of = np.zeros(int(order.max(initial=-1)) + 1, np.int64)
    rank_of[order] = np.arange(1, len(order) + 1)
    ranks: list[int] = rank_of[places_K].tolist()
    return ranks
