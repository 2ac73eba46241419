"""Drawn lists: their frequencies are their propensities, with and without rules."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.policies.draws import draw_list, list_chances, pick, uniforms
from recommender.policies.slots import PolicyPool, ValueLimit
from recommender.requests.list_policy import ListPolicy, NewItemsShare
from tests.unit.recommender.policies.many_draws import chi_square, chi_square_bound, draw_many
from tests.unit.recommender.policies.pools import (
    NEW,
    POOLS,
    pool,
    random_policies,
    random_pools,
)

DRAWS = 100_000
K = 3
SHARE = NewItemsShare(share=0.3, ids=())
POLICIES = {
    "greedy": ListPolicy(name="greedy"),
    "epsilon": ListPolicy(name="epsilon", epsilon=0.4),
    "plackett_luce": ListPolicy(name="plackett_luce", temperature=0.7),
    "thompson": ListPolicy(name="thompson"),
}
BY_NAME = {
    **POLICIES,
    **{f"{name}+new": replace(one, new_items=SHARE) for name, one in POLICIES.items()},
}


def list_propensities(
    policy: ListPolicy, of: PolicyPool, places: Sequence[int | None]
) -> tuple[float, ...]:
    return tuple(one.propensity for one in list_chances(policy, of, places))


def every_list(policy: ListPolicy, of: PolicyPool) -> dict[tuple[int, ...], float]:
    """Return the probability of each list that has one, as the product of its propensities."""
    found: dict[tuple[int, ...], float] = {}
    for places in itertools.permutations(range(len(of.scores_P)), K):
        propensities = list_propensities(policy, of, places)
        if (probability := float(np.prod(propensities))) > 0:
            found[places] = probability
    return found


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("rules", POOLS)
def test_frequencies_are_the_propensities(name: str, rules: str) -> None:
    """A hundred thousand draws; the statistic is below what chance exceeds once in a million."""
    policy, of = BY_NAME[name], POOLS[rules]
    probabilities = every_list(policy, of)
    assert sum(probabilities.values()) == pytest.approx(1)
    counts = draw_many(policy, of, np.random.default_rng(7).random((DRAWS, K)))
    assert counts.keys() <= probabilities.keys()
    statistic, degrees = chi_square(counts, {one: DRAWS * p for one, p in probabilities.items()})
    assert statistic <= chi_square_bound(degrees)


def test_a_wrong_propensity_is_found_by_the_frequencies() -> None:
    """Another temperature gives other frequencies, by far."""
    probabilities = every_list(BY_NAME["plackett_luce"], POOLS["plain"])
    warmer = ListPolicy(name="plackett_luce", temperature=0.75)
    counts = draw_many(warmer, POOLS["plain"], np.random.default_rng(7).random((DRAWS, K)))
    statistic, degrees = chi_square(counts, {one: DRAWS * p for one, p in probabilities.items()})
    assert statistic > 2 * chi_square_bound(degrees)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("rules", POOLS)
def test_single_draws_are_those_that_the_frequencies_count(name: str, rules: str) -> None:
    policy, of = BY_NAME[name], POOLS[rules]
    for uniform_K in np.random.default_rng(3).random((30, K)):
        drawn = draw_list(policy, of, uniform_K)
        assert draw_many(policy, of, uniform_K[np.newaxis]) == {drawn.places: 1}
        assert list_propensities(policy, of, drawn.places) == drawn.propensities


def test_new_items_get_their_share_of_the_slots() -> None:
    """The greedy policy alone shows none of them in three slots."""
    counts = draw_many(BY_NAME["greedy+new"], pool(), np.random.default_rng(5).random((DRAWS, K)))
    num_new = sum(num for places, num in counts.items() for place in places if place in NEW)
    assert num_new / (DRAWS * K) == pytest.approx(SHARE.share, abs=0.005)
    shown = {place for places in counts for place in places}
    assert shown >= {*NEW}, "every new item is shown"


def test_a_full_share_shows_new_items_and_then_the_others() -> None:
    policy = ListPolicy(name="greedy", new_items=NewItemsShare(share=1.0, ids=()))
    drawn = draw_list(policy, pool(), np.full(7, 0.5))
    assert {*drawn.places[:3]} == {*NEW}
    assert drawn.places[3:] == (0, 1, 2, 4)
    assert drawn.propensities[3:] == (1, 1, 1, 1)


def test_a_list_ends_when_no_item_is_left() -> None:
    limited = pool(limits=[ValueLimit(limit=1, values_P=[("x",)] * 7)])
    for policy in POLICIES.values():
        assert len(draw_list(policy, limited, np.full(K, 0.3)).places) == 1
    empty = replace(pool(), is_listed_P=np.zeros(7, np.bool_), is_new_P=np.zeros(7, np.bool_))
    assert draw_list(POLICIES["epsilon"], empty, np.full(K, 0.3)).places == ()


def test_what_a_policy_cannot_choose_has_the_propensity_zero() -> None:
    """An item outside the pool, one that is not the list's own, one twice, one too many."""
    policy = BY_NAME["epsilon"]
    assert list_propensities(policy, pool(), [None, 6]) == (0.0, 0.0)
    assert list_propensities(policy, pool(), [0, 0])[1] == 0
    assert list_propensities(policy, POOLS["at_most"], [0, 1])[1] == 0
    with_new = list_propensities(BY_NAME["epsilon+new"], pool(), [6])
    assert with_new[0] > 0


def test_a_cold_temperature_is_greedy_and_a_hot_one_uniform() -> None:
    cold = ListPolicy(name="plackett_luce", temperature=0.001)
    hot = ListPolicy(name="plackett_luce", temperature=1_000.0)
    assert draw_list(cold, pool(), np.full(K, 0.999)).places == (0, 1, 2)
    assert list_propensities(hot, pool(), [5, 4]) == pytest.approx((1 / 6, 1 / 5), rel=0.01)


@pytest.mark.parametrize(("temperature", "kept"), [(0.1, 9.3), (0.5, 7.0), (1, 4.2), (10, 0.6)])
def test_a_temperature_keeps_as_much_as_the_docs_say(temperature: float, kept: float) -> None:
    """Items of the greedy list among 10 from 5,000 with normal scores, the mean of 150 lists."""
    policy = ListPolicy(name="plackett_luce", temperature=temperature)
    random, num_kept = np.random.default_rng(0), 0
    for seed in range(150):
        scores_P = np.sort(random.standard_normal(5_000))[::-1][:200]
        whole = PolicyPool(
            scores_P=scores_P,
            spread=float(scores_P[:100].std()),
            is_listed_P=np.ones(200, np.bool_),
            is_new_P=np.zeros(200, np.bool_),
        )
        num_kept += sum(place < 10 for place in draw_list(policy, whole, uniforms(seed, 10)).places)
    assert num_kept / 150 == pytest.approx(kept, abs=0.35)


def test_a_temperature_means_the_same_on_any_scale_of_scores() -> None:
    scaled = replace(pool(), scores_P=100 * pool().scores_P + 7, spread=100 * pool().spread)
    places = (4, 0, 5)
    for policy in BY_NAME.values():
        assert list_propensities(policy, scaled, places) == pytest.approx(
            list_propensities(policy, pool(), places)
        )


@pytest.mark.parametrize("name", BY_NAME)
def test_all_alternatives_to_an_item_have_all_the_chance(name: str) -> None:
    policy, places = BY_NAME[name], (4, None, 1)
    for chances in list_chances(policy, pool(), places, num_alternatives=7):
        shares = [chance for _, chance in chances.alternatives]
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)
        assert all(shares)
    first = list_chances(policy, pool(), places, num_alternatives=7)[0]
    assert dict(first.alternatives).get(4, 0.0) == first.propensity
    assert (
        list_chances(policy, pool(), places, num_alternatives=1)[0].alternatives
        == (first.alternatives[:1])
    )


def test_the_seed_decides_the_list() -> None:
    first, again, other = uniforms(5, K), uniforms(5, K), uniforms(6, K)
    assert (first == again).all()
    assert (first != other).all()


def test_a_number_next_to_one_picks_an_item_with_a_chance() -> None:
    chance_P = np.array([0.0, 0.1, 0.0, 0.7, 0.2, 0.0])
    chance_P /= chance_P.sum()
    assert pick(chance_P, np.array([0.0, np.nextafter(1, 0), 1.0])).tolist() == [1, 4, 4]


@given(policy=random_policies, of=random_pools(), seed=st.integers(0, 2**53 - 1))
def test_what_was_reported_is_what_a_replay_finds(
    policy: ListPolicy, of: PolicyPool, seed: int
) -> None:
    drawn = draw_list(policy, of, uniforms(seed, 10))
    assert list_propensities(policy, of, drawn.places) == drawn.propensities
    assert len({*drawn.places}) == len(drawn.places)
    assert all(0 < one <= 1 + 1e-12 for one in drawn.propensities)
    for limit in of.limits:
        shown = [value for place in drawn.places for value in {*limit.values_P[place]}]
        for value in {*shown}:
            assert shown.count(value) + limit.taken.get(value, 0) <= limit.limit


@given(of=random_pools())
def test_the_greedy_policy_is_certain(of: PolicyPool) -> None:
    drawn = draw_list(ListPolicy(name="greedy"), of, uniforms(None, 10))
    assert {*drawn.propensities} <= {1.0}
