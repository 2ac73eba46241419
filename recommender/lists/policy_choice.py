"""Chooses the items of a list by a policy, under the rules of the list.

Boosts, freshness and the minimum rating come first. Then each slot is the policy's: diversity
changes what items are worth there, and at most n of a value closes items.

P  items of the pool    K  chosen items
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recommender.lists.rule_engine import (
    SPREAD_OF,
    Arranged,
    Choice,
    Floats,
    Move,
    Places,
    Pool,
    arrange,
    choose,
    moves_between,
    relevance,
)
from recommender.policies.draws import (
    SlotChances,
    draw_list,
    greedy_places,
    list_chances,
    uniforms,
)
from recommender.policies.slots import PolicyPool, Unlikeness, ValueLimit
from recommender.requests.list_policy import ListPolicy
from recommender.requests.list_rules import ListRules

RULE = "policy"  # the name of the policy's move


def choose_by_policy(
    policy: ListPolicy, rules: ListRules, pool: Pool, k: int, *, is_traced: bool = False
) -> Choice:
    """Return at most k items of the pool with their propensities, in the order of their slots."""
    arranged = arrange(rules, pool)
    policy_pool = _policy_pool(rules, pool, arranged)
    drawn = draw_list(policy, policy_pool, uniforms(policy.seed, k))
    places_K = arranged.order[np.array(drawn.places, np.int64)]
    moves = _moves(rules, pool, k, places_K) if is_traced else ()
    return Choice(
        places_K=places_K,
        scores_K=arranged.scores_P[places_K],
        moves=moves,
        propensities=drawn.propensities,
        greedy_ranks=_greedy_ranks(policy, policy_pool, drawn.places, k),
    )


def chances_of(
    policy: ListPolicy,
    rules: ListRules,
    pool: Pool,
    places: Sequence[int | None],
    *,
    num_alternatives: int = 0,
) -> tuple[SlotChances, ...]:
    """Return the chances of a list by places in the pool; None is an item outside of it.

    Alternatives are places in the pool, too.
    """
    arranged = arrange(rules, pool)
    index_of: dict[int | None, int] = {
        place: index for index, place in enumerate(arranged.order.tolist())
    }
    found = [index_of.get(place) for place in places]
    chances = list_chances(
        policy, _policy_pool(rules, pool, arranged), found, num_alternatives=num_alternatives
    )
    order = arranged.order.tolist()
    return tuple(
        replace(
            one, alternatives=tuple((order[index], chance) for index, chance in one.alternatives)
        )
        for one in chances
    )


def _greedy_ranks(
    policy: ListPolicy, pool: PolicyPool, places: Sequence[int], k: int
) -> tuple[int, ...]:
    """Return the ranks of the chosen items in the greedy list, 0 for other items.

    A policy that does not explore has none.
    """
    if policy.name == "greedy" and policy.new_items is None:
        return ()
    rank_of = {place: rank for rank, place in enumerate(greedy_places(pool, k), 1)}
    return tuple(rank_of.get(place, 0) for place in places)


def _policy_pool(rules: ListRules, pool: Pool, arranged: Arranged) -> PolicyPool:
    """Return the pool by score, with the rules that depend on the items before a slot."""
    order = arranged.order
    places = order.tolist()
    num_listed = len(pool.scores_P) if pool.num_listed is None else pool.num_listed
    is_new_P = np.zeros(len(pool.scores_P), np.bool_) if pool.is_new_P is None else pool.is_new_P
    scores_P, is_listed_P = arranged.scores_P[order], order < num_listed
    lifts_MP = None if pool.lifts_MP is None else pool.lifts_MP(arranged.spread)[:, order]
    return PolicyPool(
        scores_P=scores_P,
        spread=arranged.spread,
        is_listed_P=is_listed_P,
        is_new_P=is_new_P[order],
        limits=[
            ValueLimit(
                limit=limit,
                values_P=[tuple(pool.values(place, name)) for place in places],
                taken=pool.taken.get(name, {}),
            )
            for name, limit in rules.at_most.items()
        ],
        unlikeness=_unlikeness(rules, pool, arranged, scores_P[is_listed_P]),
        lifts_MP=lifts_MP,
        deviations_MP=None if pool.deviations_MP is None else pool.deviations_MP[:, order],
    )


def _unlikeness(
    rules: ListRules, pool: Pool, arranged: Arranged, listed: Floats
) -> Unlikeness | None:
    """Return the rule of diversity; relevance is measured by the listed items, best first."""
    if rules.diversity <= 0 or pool.unit_PD is None:
        return None
    best = listed[:SPREAD_OF]
    width = float(best[0] - best[-1]) if len(best) else 0.0
    return Unlikeness(
        strength=rules.diversity,
        unit_PD=pool.unit_PD[arranged.order],
        relevance_P=relevance(arranged.scores_P[arranged.order], listed),
        unit=width / arranged.spread if width > 0 else 1.0,
    )


def _moves(rules: ListRules, pool: Pool, k: int, places_K: Places) -> Sequence[tuple[Move, ...]]:
    """Return the moves by the rules alone, and by the policy after them."""
    orders = choose(rules, pool, k, is_traced=True).orders
    others = orders[-1][1][~np.isin(orders[-1][1], places_K)]
    return moves_between([*orders, (RULE, np.concatenate([places_K, others]))], places_K)
