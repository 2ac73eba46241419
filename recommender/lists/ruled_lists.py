"""Lists with rules: a pool of the best items from the ranker, and the rules applied to it.

The pool is deeper than the list, and all its scores are exact. When the rules leave fewer items
than wanted, a pool ten times as deep is asked for, up to MAX_POOL.

P  items of the pool, best first
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recommender.arrays.best_rows import Rows, Scores
from recommender.catalogue.attribute_index import Value
from recommender.catalogue.catalogue import Catalogue, UnknownAttribute
from recommender.lists.resolve import Plan
from recommender.lists.rule_engine import Choice, Floats, Move, Pool, choose
from recommender.ranking.ranker import Ranker
from recommender.requests.list_rules import MAX_POOL, DateBoost, ListRules, first_pool
from recommender.requests.rule_fields import date_of
from recommender.requests.wire import TopRequest

_DEEPER = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuledList:
    """A list after its rules, best first, and the rules that could not be applied."""

    rows: Rows
    scores: Scores
    moves: Sequence[tuple[Move, ...]]
    not_applied: tuple[str, ...]


def ruled_lists(ranker: Ranker, plans: Sequence[Plan], state_BD: Tensor) -> dict[int, RuledList]:
    """Return the lists of the plans that have rules, by place. Their pools come together."""
    lists: dict[int, RuledList] = {}
    asked = {
        user: _RuledQuestion.of(ranker, one) for user, one in enumerate(plans) if _has_rules(one)
    }
    if not asked:
        return lists
    whole = [user for user, one in asked.items() if one.plan.candidate_rows is None]
    sizes = [first_pool(asked[user].k) for user in whole]
    pools = ranker.top_lists(
        state_BD[whole],
        sizes,
        [asked[user].plan.allowed_N for user in whole],
        [asked[user].plan.excluded_rows for user in whole],
    )
    for user, size, (rows_P, scores_P) in zip(whole, sizes, pools, strict=True):
        lists[user] = _deep_enough(ranker, asked[user], state_BD[[user]], size, rows_P, scores_P)
    for user, one in asked.items():
        if one.plan.candidate_rows is not None:
            state_1D = state_BD[[user]]
            rows_P, scores_P = ranker.best_of(one.plan.candidate_rows, state_1D, MAX_POOL)
            lists[user] = _apply(ranker, one, state_1D, rows_P, scores_P)
    return lists


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _RuledQuestion:
    """A plan whose pinned items are excluded, and its rules."""

    plan: Plan
    rules: ListRules
    k: int
    is_traced: bool
    pinned_rows: tuple[int, ...]

    @classmethod
    def of(cls, ranker: Ranker, plan: Plan) -> _RuledQuestion:
        request = plan.request
        assert isinstance(request, TopRequest)
        assert request.rules is not None
        found = [ranker.catalogue.row(item_id) for item_id in request.rules.pinned]
        pinned = tuple(row for row in found if row is not None)
        candidates = plan.candidate_rows
        if candidates is not None:
            candidates = candidates[~np.isin(candidates, pinned)]
        excluded = (*plan.excluded_rows, *pinned)
        return cls(
            plan=replace(plan, excluded_rows=excluded, candidate_rows=candidates),
            rules=request.rules,
            k=request.k,
            is_traced=request.explain,
            pinned_rows=pinned,
        )


def _has_rules(plan: Plan) -> bool:
    return isinstance(plan.request, TopRequest) and plan.request.rules is not None


def _deep_enough(
    ranker: Ranker,
    asked: _RuledQuestion,
    state_1D: Tensor,
    size: int,
    rows_P: Rows,
    scores_P: Scores,
) -> RuledList:
    """Apply the rules to a pool; while they leave too few items, to a deeper one."""
    found = _apply(ranker, asked, state_1D, rows_P, scores_P)
    while len(found.rows) < asked.k and len(rows_P) == size and size < MAX_POOL:
        size = min(_DEEPER * size, MAX_POOL)
        plan = asked.plan
        ((rows_P, scores_P),) = ranker.top_lists(
            state_1D, [size], [plan.allowed_N], [plan.excluded_rows]
        )
        found = _apply(ranker, asked, state_1D, rows_P, scores_P)
    return found


def _apply(
    ranker: Ranker, asked: _RuledQuestion, state_1D: Tensor, rows_P: Rows, scores_P: Scores
) -> RuledList:
    pool = _pool(ranker, asked, state_1D, rows_P, scores_P)
    choice: Choice = choose(asked.rules, pool, asked.k, is_traced=asked.is_traced)
    has_ratings = asked.rules.min_rating is None or ranker.has_ratings
    return RuledList(
        rows=rows_P[choice.places_K],
        scores=choice.scores_K.astype(np.float32),
        moves=choice.moves,
        not_applied=() if has_ratings else ("min_rating",),
    )


def _pool(
    ranker: Ranker, asked: _RuledQuestion, state_1D: Tensor, rows_P: Rows, scores_P: Scores
) -> Pool:
    rules, catalogue = asked.rules, ranker.catalogue
    taken = {name: Counter[Value]() for name in rules.at_most}
    for name, counts in taken.items():
        for row in asked.pinned_rows:
            counts.update(set(_values(catalogue, row, name)))
    rows = rows_P.tolist()
    pool = Pool(
        scores_P=scores_P.astype(np.float64),
        amounts=_amounts(catalogue, rules, rows_P),
        values=lambda place, name: _values(catalogue, rows[place], name),
        taken=taken,
    )
    if rules.min_rating is not None and ranker.has_ratings and len(rows_P):
        ratings_1P = ranker.ratings(state_1D, torch.from_numpy(rows_P).unsqueeze(0))
        pool = replace(pool, ratings_P=ratings_1P[0].double().numpy())
    if rules.diversity > 0 and len(rows_P):
        order = rows_P.argsort()
        vectors = torch.nn.functional.normalize(
            ranker.vectors(torch.from_numpy(rows_P[order])), dim=1
        ).numpy()
        unit_PD = np.empty_like(vectors)
        unit_PD[order] = vectors
        pool = replace(pool, unit_PD=unit_PD)
    return pool


def _amounts(catalogue: Catalogue, rules: ListRules, rows_P: Rows) -> dict[str, Floats]:
    """Return the spreads that each rule adds to the scores of the pool's items."""
    amounts: dict[str, Floats] = {}
    for index, boost in enumerate(rules.boosts):
        try:
            matching_P = catalogue.filter_rows({boost.attribute: boost.value})[rows_P]
        except UnknownAttribute:
            matching_P = np.zeros(len(rows_P), np.bool_)
        amounts[f"boosts[{index}]"] = np.where(matching_P, boost.add, 0.0)
    if rules.bonuses or rules.freshness is not None:
        amounts["freshness"] = _bonuses(catalogue, rules, rows_P) + _fresh(
            catalogue, rules.freshness, rows_P
        )
    return amounts


def _bonuses(catalogue: Catalogue, rules: ListRules, rows_P: Rows) -> Floats:
    bonus_P = np.zeros(len(rows_P))
    by_row = {catalogue.row(item_id): add for item_id, add in rules.bonuses.items()}
    for place, row in enumerate(rows_P.tolist()):
        bonus_P[place] = by_row.get(row, 0.0)
    return bonus_P


def _fresh(catalogue: Catalogue, boost: DateBoost | None, rows_P: Rows) -> Floats:
    """Return the bonus of each item's date, which is greatest for dates in the future."""
    bonus_P = np.zeros(len(rows_P))
    if boost is None:
        return bonus_P
    for place, row in enumerate(rows_P.tolist()):
        at_s = date_of(catalogue.attributes(row).get(boost.attribute))
        if at_s is not None:
            age_s = max(boost.at_s - at_s, 0.0)
            bonus_P[place] = boost.add * 0.5 ** (age_s / boost.half_life_s)
    return bonus_P


def _values(catalogue: Catalogue, row: int, name: str) -> tuple[Value, ...]:
    value = catalogue.attributes(row).get(name)
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
