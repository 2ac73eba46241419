"""Bounds for logs without propensities."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cron.evaluation.dense import dense_slates
from cron.evaluation.estimate import PolicyUnknown
from cron.evaluation.evaluate import EvaluationOptions
from cron.evaluation.intervals import Resampling
from cron.evaluation.inverse_propensity import snips
from cron.evaluation.logged_slates import LoggedSlates, PredictedRewards
from cron.evaluation.sensitivity import (
    SensitivityBounds,
    frequency_propensities,
    sensitivity_bounds,
)
from cron.evaluation.support import Requirements
from tests.unit.cron.evaluation.choices import choices, many_choices

ANY_LOG = EvaluationOptions(
    resampling=Resampling(resamples=100),
    requirements=Requirements(min_effective_size=0, min_effective_users=0, min_rewarded_users=0),
)


def bounds(log: LoggedSlates, gamma: float) -> SensitivityBounds:
    found = sensitivity_bounds(log, gamma, ANY_LOG)
    assert isinstance(found, SensitivityBounds)
    return found


def test_right_propensities_give_the_estimate_itself() -> None:
    log = many_choices(500)
    found = bounds(log, 1.0)
    assert found.low == pytest.approx(snips(dense_slates(log)).value())
    assert found.low == found.high == found.value
    assert found.widest_low < found.low < found.widest_high


@given(st.integers(0, 2**32 - 1), st.floats(1, 8), st.booleans())
@settings(max_examples=30, deadline=None)
def test_no_weights_within_the_odds_give_more(seed: int, gamma: float, has_model: bool) -> None:
    """Compare with every combination of extreme weights of seven choices."""
    generator = np.random.default_rng(seed)
    logging, target = generator.uniform(0.1, 0.9, 7), generator.uniform(0.1, 0.9, 7)
    rewards = generator.integers(0, 3, 7).astype(float)
    log, residuals, expected = choices(rewards, logging, target), rewards, np.zeros(7)
    if has_model:
        predicted = PredictedRewards(logged_R=generator.random(7), target_R=generator.random(7))
        log = replace(log, predicted=predicted)
        residuals, expected = rewards - predicted.logged_R, predicted.target_R
    values = []
    for factors in product((1 / gamma, gamma), repeat=7):
        weights = target * (1 + (1 / logging - 1) * np.array(factors))
        values.append(expected.mean() + weights @ residuals / weights.sum())
    found = bounds(log, gamma)
    assert (found.low, found.high) == pytest.approx((min(values), max(values)))


def test_a_hidden_reason_is_covered_by_its_own_odds() -> None:
    """Visitors who like everything were shown item 1 more often, and nobody logged that."""
    generator = np.random.default_rng(3)
    is_keen = generator.random(20_000) < 0.5
    is_one = generator.random(20_000) < np.where(is_keen, 0.8, 0.2)  # odds of 4 and 1/4
    reward = generator.random(20_000) < 0.2 + 0.3 * is_keen + 0.1 * is_one
    truth = 0.2 + 0.15 + 0.1  # of showing item 1 to all
    estimated = frequency_propensities(is_one.astype(np.int64), np.zeros(20_000, dtype=np.int64))
    log = choices(reward.astype(float), estimated, is_one.astype(float))
    assert not bounds(log, 1.0).widest_low < truth < bounds(log, 1.0).widest_high
    found = bounds(log, 4.1)
    assert found.low < truth < found.high
    assert "has no propensities" in found.sentence()
    assert "wrong by at most a factor 4.1" in found.sentence()


def test_frequencies_are_by_position() -> None:
    item, position = np.array([1, 1, 2, 2]), np.array([0, 0, 0, 1])
    expected = [2 / 3, 2 / 3, 1 / 3, 1.0]
    assert frequency_propensities(item, position).tolist() == pytest.approx(expected)


def test_what_bounds_cannot_be_of_is_refused() -> None:
    log = many_choices(20)
    with pytest.raises(ValueError, match="at least 1"):
        sensitivity_bounds(log, 0.5)
    with pytest.raises(ValueError, match="single choices"):
        sensitivity_bounds(replace(log, position_R=np.arange(20) % 2), 2.0)


def test_too_little_is_unknown_here_too() -> None:
    empty = choices(np.array([]), np.array([]), np.array([]))
    for log, reason in ((empty, "no choice was logged"), (many_choices(20), "are worth")):
        found = sensitivity_bounds(log, 2.0)
        assert isinstance(found, PolicyUnknown)
        assert reason in found.sentence()
