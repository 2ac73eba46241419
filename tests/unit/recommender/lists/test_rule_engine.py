"""Rules over a pool: each one alone, their order, and what holds for all of them together."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.lists.rule_engine import SPREAD_OF, Move, Pool, choose, spread_of
from recommender.requests.list_rules import ListRules

BRANDS = (("a",), ("a",), ("b",), ("a", "b"), (), ("c",))
SCORES = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])


def pool_of(
    scores: Sequence[float] = (6, 5, 4, 3, 2, 1),
    *,
    values: Sequence[tuple[str, ...]] = BRANDS,
    **more: object,
) -> Pool:
    return Pool(
        scores_P=np.array(scores, np.float64),
        values=lambda place, _name: values[place],
        **more,  # type: ignore[arg-type]
    )


def places(rules: ListRules, pool: Pool, k: int = 6) -> list[int]:
    found: list[int] = choose(rules, pool, k).places_K.tolist()
    return found


def test_without_rules_the_pool_keeps_its_order() -> None:
    choice = choose(ListRules(), pool_of(), 3)
    assert choice.places_K.tolist() == [0, 1, 2]
    assert choice.scores_K.tolist() == [6, 5, 4]
    assert places(ListRules(), pool_of(())) == []


def test_a_boost_adds_spreads_of_the_list() -> None:
    """The spread is the standard deviation of the best scores, so 1.7 for these six."""
    spread = SCORES.std()
    pool = pool_of(amounts={"boosts[0]": np.array([0, 0, 0, 0, 0, 2.0])})
    choice = choose(ListRules(), pool, 6)
    assert choice.places_K.tolist() == [0, 1, 5, 2, 3, 4]
    assert choice.scores_K[2] == pytest.approx(1 + 2 * spread)
    buried = pool_of(amounts={"boosts[0]": np.array([-9.0, 0, 0, 0, 0, 0])})
    assert places(ListRules(), buried) == [1, 2, 3, 4, 5, 0]


def test_the_spread_does_not_depend_on_the_depth_of_the_pool() -> None:
    scores = np.linspace(5, 0, 1_000)
    assert spread_of(scores) == spread_of(scores[:SPREAD_OF])
    assert spread_of(np.ones(4)) == spread_of(np.zeros(0)) == 1.0


def test_ties_keep_the_order_of_the_pool() -> None:
    pool = pool_of((2, 2, 2), amounts={"boosts[0]": np.array([0, 1.0, 1.0])})
    assert places(ListRules(), pool) == [1, 2, 0]


def test_items_below_the_minimum_rating_are_left_out() -> None:
    ratings = np.array([3.0, 4.0, 2.9, 5.0, 3.1, 1.0])
    assert places(ListRules(min_rating=3.0), pool_of(ratings_P=ratings)) == [0, 1, 3, 4]
    assert places(ListRules(min_rating=3.0), pool_of()) == [0, 1, 2, 3, 4, 5]


def test_a_value_has_at_most_n_items() -> None:
    """An item of two brands counts for both; one without a brand is not limited."""
    assert places(ListRules(at_most={"brand": 1}), pool_of()) == [0, 2, 4, 5]
    assert places(ListRules(at_most={"brand": 2}), pool_of()) == [0, 1, 2, 4, 5]
    assert places(ListRules(at_most={"brand": 2}), pool_of(), k=2) == [0, 1]


def test_items_shown_beside_the_list_count_for_the_limit() -> None:
    pool = pool_of(taken={"brand": Counter({"a": 1, "c": 3})})
    assert places(ListRules(at_most={"brand": 1}), pool) == [2, 4]


UNIT = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0.6, 0.8], [-1, 0]], np.float32)


def test_diversity_leaves_items_like_the_chosen_for_later() -> None:
    """Items 0 and 1 have one direction, 2 and 3 another; 5 is the opposite of the first."""
    pool = pool_of(unit_PD=UNIT)
    assert places(ListRules(diversity=0.0), pool) == [0, 1, 2, 3, 4, 5]
    assert places(ListRules(diversity=0.5), pool, k=3) == [0, 2, 5]
    assert places(ListRules(diversity=0.1), pool, k=3) == [0, 1, 2]


def test_full_diversity_starts_with_the_best_item() -> None:
    assert places(ListRules(diversity=1.0), pool_of(unit_PD=UNIT), k=3) == [0, 2, 5]


def test_a_move_names_its_rule_and_both_ranks() -> None:
    """A boost moves the last item to rank 3; at most one of a brand takes out 1 and 3."""
    pool = pool_of(amounts={"boosts[0]": np.array([0, 0, 0, 0, 0, 2.0])})
    choice = choose(ListRules(at_most={"brand": 1}), pool, 3, is_traced=True)
    assert choice.places_K.tolist() == [0, 5, 2]
    assert choice.moves == [
        (),
        (
            Move(rule="boosts[0]", before=6, after=3),
            Move(rule="at_most", before=3, after=2),
        ),
        (
            Move(rule="boosts[0]", before=3, after=4),
            Move(rule="at_most", before=4, after=3),
        ),
    ]


def test_each_of_the_rules_has_its_own_moves() -> None:
    pool = pool_of(
        ratings_P=np.array([1.0, 5, 5, 5, 5, 5]),
        unit_PD=UNIT,
        amounts={"boosts[0]": np.array([0, 1.0, 0, 0, 0, 0]), "freshness": np.zeros(6)},
    )
    rules = ListRules(min_rating=2.0, diversity=0.5, at_most={"brand": 1})
    choice = choose(rules, pool, 4, is_traced=True)
    assert choice.places_K.tolist() == [1, 2, 5, 4]
    assert [[(move.rule, move.before, move.after) for move in one] for one in choice.moves] == [
        [("boosts[0]", 2, 1)],
        [("min_rating", 3, 2)],
        [("min_rating", 6, 5), ("diversity", 5, 3)],
        [("min_rating", 5, 4)],
    ]


def test_tracing_changes_nothing() -> None:
    pool = pool_of(unit_PD=UNIT, amounts={"boosts[0]": np.array([0, 1.0, 0, 0.3, 0, 0])})
    rules = ListRules(diversity=0.4, at_most={"brand": 2})
    plain, traced = choose(rules, pool, 4), choose(rules, pool, 4, is_traced=True)
    assert plain.places_K.tolist() == traced.places_K.tolist()
    assert plain.scores_K.tolist() == traced.scores_K.tolist()


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    size = draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 1_000)))
    vectors = rng.normal(size=(size, 3)).astype(np.float32)
    values = [tuple(rng.choice(["a", "b", "c"], size=rng.integers(0, 3))) for _ in range(size)]
    taken: Mapping[str, Counter[str]] = {"brand": Counter(draw(st.lists(st.sampled_from("abc"))))}
    return pool_of(
        sorted(rng.normal(size=size), reverse=True),
        values=values,
        unit_PD=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        ratings_P=rng.uniform(1, 5, size=size),
        amounts={"boosts[0]": rng.normal(size=size), "freshness": rng.uniform(size=size)},
        taken=taken,
    )


@given(
    pool=pools(),
    k=st.integers(1, 12),
    diversity=st.floats(0, 1),
    limit=st.integers(1, 4),
    least=st.none() | st.floats(1, 5),
)
def test_what_holds_for_all_rules_together(
    pool: Pool, k: int, diversity: float, limit: int, least: float | None
) -> None:
    """Nothing twice, never more than n of a value, none below the rating, and no one left out."""
    rules = ListRules(diversity=diversity, at_most={"brand": limit}, min_rating=least)
    choice = choose(rules, pool, k, is_traced=True)
    found = choice.places_K.tolist()
    assert len(found) == len(set(found)) <= k
    counts = Counter(pool.taken["brand"])
    before = Counter(counts)
    for place in found:
        counts.update(set(pool.values(place, "brand")))
    assert all(counts[value] <= max(limit, before[value]) for value in counts)
    assert pool.ratings_P is not None
    assert least is None or (pool.ratings_P[found] >= least).all()
    left = [
        place
        for place in range(len(pool.scores_P))
        if place not in found
        and (least is None or pool.ratings_P[place] >= least)
        and all(counts[value] < limit for value in pool.values(place, "brand"))
    ]
    assert len(found) == k or not left
    for rank, moves in enumerate(choice.moves, 1):
        assert not moves or moves[-1].after == rank
        assert all(one.after == two.before for one, two in itertools.pairwise(moves))
