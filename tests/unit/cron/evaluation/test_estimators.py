"""The estimators on paper, and their expectations in a world where the truth is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.decisions.planted_slates import (
    PlantedWorld,
    WorldShape,
    planted_log,
    planted_world,
)
from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import DenseSlates, dense_slates
from cron.evaluation.doubly_robust import direct, doubly_robust
from cron.evaluation.evaluate import WEIGHTED
from cron.evaluation.inverse_propensity import (
    independent_ips,
    interaction_ips,
    interaction_snips,
    ips,
    snips,
)
from cron.evaluation.logged_slates import LoggedSlates, PredictedRewards
from tests.unit.cron.evaluation.choices import choices

INTERACTING = planted_world(WorldShape(num_items=5), seed=1)
SEPARATE = planted_world(WorldShape(num_items=5, is_interacting=False), seed=1)

# two lists of two and one of one: weights 2 and 1/2; 1 and 3; 1/2
THREE = LoggedSlates(
    slate_R=np.array([0, 0, 1, 1, 2]),
    position_R=np.array([0, 1, 0, 1, 0]),
    user_R=np.array([0, 0, 1, 1, 1]),
    reward_R=np.array([1.0, 2.0, 0.0, 1.0, 4.0]),
    logging_R=np.array([0.25, 0.5, 0.5, 0.25, 0.5]),
    target_R=np.array([0.5, 0.25, 0.5, 0.75, 0.25]),
    predicted=PredictedRewards(
        logged_R=np.array([2.0, 1.0, 1.0, 1.0, 2.0]), target_R=np.array([3.0, 1.5, 1.0, 0.5, 2.5])
    ),
)


def test_three_slates_on_paper() -> None:
    dense = dense_slates(THREE)
    # whole slates: weights 1, 3, 1/2 and rewards 3, 1, 4
    assert ips(dense).value() == pytest.approx((3 + 3 + 2) / 3)
    assert snips(dense).value() == pytest.approx(8 / 4.5)
    # prefixes: 2, 1 | 1, 3 | 1/2
    assert interaction_ips(dense).value() == pytest.approx((2 + 2 + 3 + 2) / 3)
    first, second = (2 + 2) / 3.5, 5 / 4 * 2 / 3
    assert interaction_snips(dense).value() == pytest.approx(first + second)
    assert direct(dense).value() == pytest.approx((3 + 1 + 2.5) / 3)
    terms = (2 * -1 + 3) + (1 * 1 + 2 * 1.5) + (-1 + 1) + (3 * 0 + 1 * 0.5) + (0.5 * 2 + 2.5)
    assert doubly_robust(dense).value() == pytest.approx(terms / 3)


def test_a_great_weight_is_clipped() -> None:
    log = dense_slates(choices(np.array([1.0, 1.0]), np.array([0.1, 0.5]), np.array([0.9, 0.5])))
    contributions = ips(log, clip=4.0)
    assert contributions.value() == pytest.approx((4 + 1) / 2)
    assert contributions.removed_weight == pytest.approx(5 / 10)


def test_without_slates_there_is_no_value() -> None:
    empty = dense_slates(choices(np.array([]), np.array([]), np.array([])))
    assert np.isnan(ips(empty).value())
    assert np.isnan(snips(empty).value())


def test_no_weight_at_all_has_no_self_normalised_value() -> None:
    log = dense_slates(choices(np.ones(3), np.full(3, 0.5), np.zeros(3)))
    assert ips(log).value() == 0
    assert np.isnan(snips(log).value())


def test_what_an_estimator_needs_is_required() -> None:
    dense = dense_slates(replace(THREE, predicted=None))
    with pytest.raises(ValueError, match="marginal propensities"):
        independent_ips(dense)
    with pytest.raises(ValueError, match="model predicts"):
        doubly_robust(dense)


def test_a_pinned_item_changes_no_weight() -> None:
    """A pin has propensity 1 in both policies; its reward counts like any other."""
    pinned = replace(
        THREE,
        logging_R=np.array([0.25, 1.0, 0.5, 1.0, 0.5]),
        target_R=np.array([0.5, 1.0, 0.5, 1.0, 0.25]),
    )
    assert ips(dense_slates(pinned)).value() == pytest.approx((2 * 3 + 1 * 1 + 0.5 * 4) / 3)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_logging_policys_own_value_is_the_mean(seed: int) -> None:
    log = planted_log(SEPARATE, num_users=8, seed=seed).slates
    assert log.marginal is not None
    marginal = replace(log.marginal, target_R=log.marginal.logging_R)
    own = dense_slates(replace(log, target_R=log.logging_R, marginal=marginal))
    mean = own.reward_NK.sum(axis=1).mean()
    for name, estimator in WEIGHTED.items():
        if name != "doubly_robust":  # its predictions are of the target policy
            assert estimator(own, None).value() == pytest.approx(mean), name


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_of_rows_changes_nothing(random: object) -> None:
    order = np.random.default_rng(hash(random) % 2**32).permutation(5)
    assert THREE.predicted is not None
    moved = LoggedSlates(
        slate_R=THREE.slate_R[order],
        position_R=THREE.position_R[order],
        user_R=THREE.user_R[order],
        reward_R=THREE.reward_R[order],
        logging_R=THREE.logging_R[order],
        target_R=THREE.target_R[order],
        predicted=PredictedRewards(
            logged_R=THREE.predicted.logged_R[order], target_R=THREE.predicted.target_R[order]
        ),
    )
    for estimator in (ips, snips, interaction_ips, interaction_snips, doubly_robust):
        assert estimator(dense_slates(moved)).value() == estimator(dense_slates(THREE)).value()


@pytest.mark.parametrize("name", ["ips", "interaction_ips", "doubly_robust"])
def test_the_expectation_is_the_truth_if_items_interact(name: str) -> None:
    """Sum over all contexts and lists, each with its probability under the logging policy."""
    found = _expectation(INTERACTING, WEIGHTED[name](_every_list(INTERACTING), None))
    assert found == pytest.approx(INTERACTING.truth(), abs=1e-12)


def test_position_by_position_is_wrong_if_items_interact() -> None:
    found = _expectation(INTERACTING, independent_ips(_every_list(INTERACTING)))
    assert abs(found - INTERACTING.truth()) > 1e-3
    found = _expectation(SEPARATE, independent_ips(_every_list(SEPARATE)))
    assert found == pytest.approx(SEPARATE.truth(), abs=1e-12)


def test_doubly_robust_needs_only_one_of_its_halves() -> None:
    """With wrong propensities and a right model it is still right; the direct method is too."""
    every = _every_list(INTERACTING)
    levels = list(enumerate(INTERACTING.continuation()))
    contexts, lists = _all_pairs(INTERACTING)
    right = np.stack(
        [value[contexts, INTERACTING.entry_of(lists, level)] for level, value in levels], axis=1
    )
    expected = np.stack([_mean_over_target(INTERACTING, level) for level, _ in levels], axis=1)
    wrong_weights = every.weight_NK * np.array([0.5, 2.0, 3.0])
    model = replace(
        every,
        weight_NK=wrong_weights,
        predicted_logged_NK=right,
        predicted_target_NK=expected,
    )
    truth = pytest.approx(INTERACTING.truth(), abs=1e-12)
    assert _expectation(INTERACTING, doubly_robust(model)) == truth
    assert _expectation(INTERACTING, direct(model)) == truth
    assert _expectation(INTERACTING, interaction_ips(model)) != truth


def _all_pairs(world: PlantedWorld) -> tuple[np.ndarray, np.ndarray]:
    num_contexts, num_lists = world.shape.num_contexts, len(world.lists_LK)
    return np.repeat(np.arange(num_contexts), num_lists), np.tile(
        np.arange(num_lists), num_contexts
    )


def _every_list(world: PlantedWorld) -> DenseSlates:
    """Return every list in every context once, with the mean reward of each position."""
    contexts, lists = _all_pairs(world)
    levels = range(world.shape.num_positions)
    places = [(contexts, world.entry_of(lists, level)) for level in levels]
    weights, rewards, marginals = [], [], []
    for level, place in enumerate(places):
        logging, target = world.logging.given_prefix[level], world.target.given_prefix[level]
        weights.append(target[place] / logging[place])
        rewards.append(world.reward[level][place])
        item = world.lists_LK[lists, level]
        chance = [_chance_of(world, policy, level) for policy in (world.target, world.logging)]
        marginals.append(chance[0][contexts, item] / chance[1][contexts, item])
    made_up = np.random.default_rng(0).random((len(world.lists_LK[0]), 1, 1))
    predicted = [made_up[level] * (1 + world.reward[level]) for level in levels]
    return DenseSlates(
        user_N=np.arange(len(lists)),
        shown_NK=np.ones((len(lists), len(places)), dtype=bool),
        reward_NK=np.stack(rewards, axis=1),
        weight_NK=np.stack(weights, axis=1),
        marginal_weight_NK=np.stack(marginals, axis=1),
        predicted_logged_NK=np.stack(
            [predicted[level][place] for level, place in enumerate(places)], axis=1
        ),
        predicted_target_NK=np.stack(
            [_mean_over_target(world, level, predicted[level]) for level in levels], axis=1
        ),
    )


def _chance_of(world: PlantedWorld, policy: object, level: int) -> np.ndarray:
    joint = world.target.joint() if policy is world.target else world.logging.joint()
    columns = [
        joint[:, world.lists_LK[:, level] == item].sum(axis=1)
        for item in range(world.shape.num_items)
    ]
    return np.stack(columns, axis=1)


def _mean_over_target(
    world: PlantedWorld, level: int, values: np.ndarray | None = None
) -> np.ndarray:
    contexts, lists = _all_pairs(world)
    values = world.continuation()[level] if values is None else values
    children = world.shape.num_items - level
    chosen = world.target.given_prefix[level] * values
    means = chosen.reshape(len(chosen), -1, children).sum(axis=2)
    return np.asarray(means[contexts, world.entry_of(lists, level) // children])


def _expectation(world: PlantedWorld, contributions: Contributions) -> float:
    probability = world.logging.joint().ravel() / world.shape.num_contexts
    return float(probability @ contributions.earned_NK.sum(axis=1))
