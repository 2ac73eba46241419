"""Lists with rules: a pool of the best items from the ranker, and the rules applied to it.

The pool is deeper than the list, and all its scores are exact. When the rules leave fewer items
than wanted, a pool ten times as deep is asked for, up to MAX_POOL. A policy chooses from the pool
that the rules alone need, so chance does not decide how deep it is. One that learns from rewards
also chooses from the items that rewards may lift most.

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
from recommender.lists.new_item_deviations import deviations_of
from recommender.lists.policy_choice import chances_of, choose_by_policy
from recommender.lists.resolve import Plan, left_of
from recommender.lists.reward_lifts import lifts, promising_rows
from recommender.lists.rule_engine import Choice, Floats, Move, Pool, choose
from recommender.ranking.ranker import Ranker
from recommender.requests.list_policy import ListPolicy, PolicyName
from recommender.requests.list_rules import MAX_POOL, DateBoost, ListRules, first_pool
from recommender.requests.rule_fields import date_of
from recommender.requests.wire import TopRequest

_DEEPER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAlternative:
    """An item that a policy might have chosen for a place: its row, score and propensity."""

    row: int
    score: float
    propensity: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuledList:
    """A list after its rules, best first, and the rules that could not be applied.

    `propensities` are those of a policy: of these items, or of the list that was asked about, in
    which case there are no items. `alternatives` are then the likeliest items for each place.
    `greedy_ranks` are the items' ranks in the greedy list, if the policy explores.
    """

    rows: Rows
    scores: Scores
    moves: Sequence[tuple[Move, ...]]
    not_applied: tuple[str, ...]
    policy: PolicyName | None = None
    propensities: tuple[float, ...] = ()
    greedy_ranks: tuple[int, ...] = ()
    alternatives: Sequence[Sequence[ListAlternative]] = ()


def ruled_lists(ranker: Ranker, plans: Sequence[Plan], state_BD: Tensor) -> dict[int, RuledList]:
    """Return the lists of plans with rules or a policy, by place. Their pools come together."""
    lists: dict[int, RuledList] = {}
    asked = {
        user: _RuledQuestion.of(ranker, one) for user, one in enumerate(plans) if _has_pool(one)
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
            if one.policy is not None:
                lists[user] = _apply_policy(ranker, one, state_1D, rows_P, scores_P)
    return lists


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _RuledQuestion:
    """A plan whose pinned items are excluded, its rules and its policy.

    `new_rows` are new items that may be chosen, ascending, and `promising_rows` items that rewards
    may lift. `drawn_before` is the list whose propensities are asked for; None in it is an item
    that the release does not know. For each of its places, `num_alternatives` likely items are
    asked for.
    """

    plan: Plan
    rules: ListRules
    k: int
    is_traced: bool
    pinned_rows: tuple[int, ...]
    policy: ListPolicy | None
    new_rows: Rows
    promising_rows: Rows
    drawn_before: tuple[int | None, ...] | None
    num_alternatives: int

    @classmethod
    def of(cls, ranker: Ranker, plan: Plan) -> _RuledQuestion:
        request = plan.request
        assert isinstance(request, TopRequest)
        rules = ListRules() if request.rules is None else request.rules
        row = ranker.catalogue.row
        found = [row(item_id) for item_id in rules.pinned]
        pinned = tuple(row for row in found if row is not None)
        candidates = plan.candidate_rows
        if candidates is not None:
            candidates = candidates[~np.isin(candidates, pinned)]
        plan = replace(
            plan, excluded_rows=(*plan.excluded_rows, *pinned), candidate_rows=candidates
        )
        before = request.propensities_of
        return cls(
            plan=plan,
            rules=rules,
            k=request.k,
            is_traced=request.explain,
            pinned_rows=pinned,
            policy=request.policy,
            new_rows=_new_rows(ranker, plan, request.policy),
            promising_rows=_promising_rows(plan),
            drawn_before=None if before is None else tuple(map(row, before)),
            num_alternatives=request.alternatives,
        )


def _has_pool(plan: Plan) -> bool:
    request = plan.request
    if not isinstance(request, TopRequest):
        return False
    return request.rules is not None or request.policy is not None


def _new_rows(ranker: Ranker, plan: Plan, policy: ListPolicy | None) -> Rows:
    """Return the rows of a policy's new items that the question allows."""
    if policy is None or policy.new_items is None:
        return np.zeros(0, np.int64)
    found = map(ranker.catalogue.row, policy.new_items.ids)
    return _among_candidates(plan, left_of(found, plan.excluded_rows, plan.allowed_N))


def _promising_rows(plan: Plan) -> Rows:
    """Return the rows that a policy's posterior may lift and the question allows."""
    if plan.posterior is None:
        return np.zeros(0, np.int64)
    found = promising_rows(plan.posterior).tolist()
    return _among_candidates(plan, left_of(found, plan.excluded_rows, plan.allowed_N))


def _among_candidates(plan: Plan, rows_X: Rows) -> Rows:
    return rows_X if plan.candidate_rows is None else np.intersect1d(rows_X, plan.candidate_rows)


def _deep_enough(
    ranker: Ranker,
    asked: _RuledQuestion,
    state_1D: Tensor,
    size: int,
    rows_P: Rows,
    scores_P: Scores,
) -> RuledList:
    """Apply the rules to a pool; while they leave too few items, to a deeper one.

    The policy comes last.
    """
    found = _apply(ranker, asked, state_1D, rows_P, scores_P)
    while len(found.rows) < asked.k and len(rows_P) == size and size < MAX_POOL:
        size = min(_DEEPER * size, MAX_POOL)
        plan = asked.plan
        ((rows_P, scores_P),) = ranker.top_lists(
            state_1D, [size], [plan.allowed_N], [plan.excluded_rows]
        )
        found = _apply(ranker, asked, state_1D, rows_P, scores_P)
    if asked.policy is not None:
        return _apply_policy(ranker, asked, state_1D, rows_P, scores_P)
    return found


def _apply(
    ranker: Ranker, asked: _RuledQuestion, state_1D: Tensor, rows_P: Rows, scores_P: Scores
) -> RuledList:
    pool = _pool(ranker, asked, state_1D, rows_P, scores_P)
    is_traced = asked.is_traced and asked.policy is None
    choice: Choice = choose(asked.rules, pool, asked.k, is_traced=is_traced)
    return RuledList(
        rows=rows_P[choice.places_K],
        scores=choice.scores_K.astype(np.float32),
        moves=choice.moves,
        not_applied=_not_applied(ranker, asked),
    )


def _apply_policy(
    ranker: Ranker, asked: _RuledQuestion, state_1D: Tensor, rows_P: Rows, scores_P: Scores
) -> RuledList:
    """Let the policy choose from a pool and the new items, or return what it thinks of a list."""
    assert asked.policy is not None
    policy, posterior = asked.policy, asked.plan.posterior
    rows_P, scores_P = _with_more(ranker, state_1D, asked.promising_rows, rows_P, scores_P)
    num_listed = len(rows_P)
    before = [row for row in asked.drawn_before or () if row is not None]
    more_X = np.array([*asked.new_rows, *before], np.int64)
    rows_P, scores_P = _with_more(ranker, state_1D, more_X, rows_P, scores_P)
    pool = replace(
        _pool(ranker, asked, state_1D, rows_P, scores_P),
        num_listed=num_listed,
        is_new_P=np.isin(rows_P, asked.new_rows),
        deviations_MP=deviations_of(ranker, policy, asked.new_rows, rows_P),
    )
    if posterior is not None:
        pool = replace(
            pool, lifts_MP=lambda spread: lifts(ranker, posterior, policy, rows_P, spread)
        )
    if asked.drawn_before is not None:
        place_of: dict[int | None, int] = {row: place for place, row in enumerate(rows_P.tolist())}
        places = [place_of.get(row) for row in asked.drawn_before]
        return _chances_before(ranker, asked, policy, pool, rows_P, places)
    choice = choose_by_policy(policy, asked.rules, pool, asked.k, is_traced=asked.is_traced)
    return RuledList(
        rows=rows_P[choice.places_K],
        scores=choice.scores_K.astype(np.float32),
        moves=choice.moves,
        not_applied=_not_applied(ranker, asked),
        policy=policy.name,
        propensities=choice.propensities or (),
        greedy_ranks=choice.greedy_ranks,
    )


def _chances_before(
    ranker: Ranker,
    asked: _RuledQuestion,
    policy: ListPolicy,
    pool: Pool,
    rows_P: Rows,
    places: Sequence[int | None],
) -> RuledList:
    """Return what a policy thinks of a list that was drawn before, by its places in the pool."""
    chances = chances_of(policy, asked.rules, pool, places, num_alternatives=asked.num_alternatives)
    return RuledList(
        rows=np.zeros(0, np.int64),
        scores=np.zeros(0, np.float32),
        moves=(),
        not_applied=_not_applied(ranker, asked),
        policy=policy.name,
        propensities=tuple(one.propensity for one in chances),
        alternatives=tuple(
            tuple(
                ListAlternative(
                    row=int(rows_P[place]), score=float(pool.scores_P[place]), propensity=propensity
                )
                for place, propensity in one.alternatives
            )
            for one in chances
        ),
    )


def _with_more(
    ranker: Ranker, state_1D: Tensor, more_X: Rows, rows_P: Rows, scores_P: Scores
) -> tuple[Rows, Scores]:
    """Return a pool with some rows after its own, each once."""
    more_X = np.setdiff1d(more_X, rows_P)
    if not len(more_X):
        return rows_P, scores_P
    more_rows, more_scores = ranker.best_of(more_X, state_1D, len(more_X))
    return np.concatenate([rows_P, more_rows]), np.concatenate([scores_P, more_scores])


def _not_applied(ranker: Ranker, asked: _RuledQuestion) -> tuple[str, ...]:
    has_ratings = asked.rules.min_rating is None or ranker.has_ratings
    return () if has_ratings else ("min_rating",)


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
