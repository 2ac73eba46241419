"""The posterior of item rewards: equal to the full regression, and its draws to its moments."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.policies.kept_posteriors import MAX_KEPT, KeptPosteriors
from recommender.policies.normal_numbers import normal_numbers
from recommender.policies.posterior import (
    IMPRESSIONS_PER_CHOICE,
    PRIOR_IMPRESSIONS,
    SLOPE,
    SLOPE_SPREAD,
    VECTOR_PRECISION,
    Floats,
    ItemFeatures,
    ItemPosterior,
)
from recommender.requests.reward_evidence import SUMS

WIDTH, NUM_ITEMS = 4, 6


def items(rows: list[int], counts: float = 0.0, seed: int = 1) -> ItemFeatures:
    vectors = np.random.default_rng(seed).standard_normal((20, WIDTH))[rows]
    return ItemFeatures(
        rows_X=np.array(rows, np.int64),
        unit_XD=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        counts_X=np.full(len(rows), counts),
    )


def impressions(num: int, seed: int = 3) -> tuple[np.ndarray, Floats, Floats, Floats]:
    """Return items, scores, positions and rewards of impressions."""
    random = np.random.default_rng(seed)
    item_N = random.integers(NUM_ITEMS, size=num)
    score_N, position_N = random.standard_normal(num), 1 / np.log2(1 + random.integers(1, 9, num))
    chance_N = 0.1 + 0.03 * score_N + 0.1 * position_N + 0.3 * (item_N == 2)
    return item_N, score_N, position_N, (random.random(num) < chance_N).astype(np.float64)


def sums_of(item_N: np.ndarray, score_N: Floats, position_N: Floats, reward_N: Floats) -> Floats:
    value_of = {"s": score_N, "p": position_N, "r": reward_N}
    sums_ES = np.zeros((NUM_ITEMS, len(SUMS)))
    for column, name in enumerate(SUMS):
        values_N = np.ones(len(item_N))
        for letter in name.replace("n", ""):
            values_N = values_N * value_of[letter]
        np.add.at(sums_ES[:, column], item_N, values_N)
    return sums_ES


def test_it_is_the_regression_on_all_impressions_at_once() -> None:
    """With an own effect for each item as a weight of its own, solved as one system."""
    item_N, score_N, position_N, reward_N = impressions(400)
    sums_ES, evidence = sums_of(item_N, score_N, position_N, reward_N), items([*range(NUM_ITEMS)])
    posterior = ItemPosterior(evidence, sums_ES, seed=5)
    unit, noise = np.sqrt((score_N**2).mean()), reward_N.std()
    features_NF = np.column_stack(
        [
            np.ones(len(item_N)),
            score_N / unit,
            position_N,
            evidence.unit_XD[item_N],
            np.eye(NUM_ITEMS)[item_N],
        ]
    )
    prior_F = (
        [0.01, SLOPE_SPREAD**-2, 0.01]
        + [VECTOR_PRECISION] * WIDTH
        + [PRIOR_IMPRESSIONS] * NUM_ITEMS
    )
    precision_FF = features_NF.T @ features_NF + np.diag(prior_F)
    right_F = features_NF.T @ (reward_N / noise)
    right_F[1] += SLOPE * SLOPE_SPREAD**-2
    mean_F, covariance_FF = np.linalg.solve(precision_FF, right_F), np.linalg.inv(precision_FF)
    of_items_EF = np.column_stack([np.zeros((NUM_ITEMS, 3)), evidence.unit_XD, np.eye(NUM_ITEMS)])
    found = posterior.effects(evidence)
    assert found.mean_X == pytest.approx(of_items_EF @ mean_F)
    variance_E = np.einsum("ef,fg,eg->e", of_items_EF, covariance_FF, of_items_EF)
    assert found.spread_X == pytest.approx(np.sqrt(variance_E))
    assert posterior.slope == pytest.approx(mean_F[1])
    assert posterior.score_unit == pytest.approx(unit)
    assert found.mean_X.argmax() == 2


def test_draws_have_the_moments_of_the_posterior() -> None:
    evidence = items([*range(NUM_ITEMS)])
    sums_ES = sums_of(*impressions(300))
    drawn = [
        ItemPosterior(evidence, sums_ES, seed=seed).sampled_lifts(evidence) for seed in range(60)
    ]
    posterior = ItemPosterior(evidence, sums_ES, seed=0)
    found, lifts_MX = posterior.effects(evidence), np.concatenate(drawn) * posterior.slope
    assert lifts_MX.mean(0) == pytest.approx(found.mean_X, abs=0.006)
    assert lifts_MX.std(0) == pytest.approx(found.spread_X, rel=0.05)


def test_draws_are_the_same_whatever_else_is_in_the_pool() -> None:
    """So a replay finds the propensities that were reported."""
    posterior = ItemPosterior(items([*range(NUM_ITEMS)]), sums_of(*impressions(300)), seed=9)
    whole = posterior.sampled_lifts(items([0, 1, 4, 5, 9, 14]))
    part = posterior.sampled_lifts(items([1, 5, 14]))
    assert part == pytest.approx(whole[:, [1, 3, 5]])


def test_more_rewards_than_others_lift_an_item_and_its_like() -> None:
    evidence = items([*range(NUM_ITEMS)])
    posterior = ItemPosterior(evidence, sums_of(*impressions(2_000)), seed=1)
    rows = [2, 7, 8]
    of = items(rows)
    similar, opposite = evidence.unit_XD[2] + 0.05, -evidence.unit_XD[2]
    of.unit_XD[1:] = np.stack([similar / np.linalg.norm(similar), opposite])
    good, like_it, unlike_it = posterior.effects(of).mean_X
    assert good > like_it > unlike_it


def test_what_training_knows_well_is_hardly_explored() -> None:
    posterior = ItemPosterior(items([]), np.zeros((0, len(SUMS))), seed=1)
    unknown, known = items([3]), items([3], counts=1_000)
    assert posterior.sampled_lifts(unknown).std() > 1.8 * posterior.sampled_lifts(known).std()
    own = posterior.effects(known).own_spread_X[0]
    assert own == pytest.approx((PRIOR_IMPRESSIONS + 1_000 * IMPRESSIONS_PER_CHOICE) ** -0.5)


def test_without_evidence_all_effects_are_zero_on_average() -> None:
    posterior = ItemPosterior(items([]), np.zeros((0, len(SUMS))), seed=1)
    found = posterior.effects(items([0, 4, 11]))
    assert found.mean_X.tolist() == [0, 0, 0]
    assert found.spread_X == pytest.approx(
        [(1 / PRIOR_IMPRESSIONS + 1 / VECTOR_PRECISION) ** 0.5] * 3
    )
    assert posterior.score_unit is None
    wide, narrow = (posterior.optimistic_lifts(items([4]), width) for width in (2.0, 1.0))
    assert wide == pytest.approx(2 * narrow)


def test_normal_numbers_are_normal_and_found_again() -> None:
    numbers = normal_numbers(7, np.arange(500), 100)
    assert numbers.mean() == pytest.approx(0, abs=0.02)
    assert numbers.std() == pytest.approx(1, abs=0.02)
    assert (np.abs(numbers) > 1.96).mean() == pytest.approx(0.05, abs=0.004)
    for first, second in ((numbers[0], numbers[1]), (numbers[:, 0], numbers[:, 1])):
        assert abs((first * second).mean()) < 0.3
    assert (normal_numbers(7, np.array([3, 400]), 100) == numbers[:, [3, 400]]).all()
    assert (normal_numbers(8, np.array([3]), 100) != numbers[:, [3]]).all()
    huge = (1 << 128) - 1  # ids are numbers of 128 bits
    assert np.isfinite(normal_numbers(huge, np.arange(3), 4)).all()


def test_the_posterior_used_least_recently_is_dropped() -> None:
    kept = KeptPosteriors()
    posterior = ItemPosterior(items([]), np.zeros((0, len(SUMS))), seed=1)
    for number in range(MAX_KEPT):
        kept.keep(str(number), posterior)
    assert kept.find("0") is posterior
    kept.keep("more", posterior)
    assert kept.find("1") is None
    assert kept.find("0") is posterior
