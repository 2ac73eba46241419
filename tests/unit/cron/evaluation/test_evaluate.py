"""The answers that people read: an estimate with an interval, or why there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cron.evaluation.estimate import PolicyUnknown, PolicyValue
from cron.evaluation.evaluate import ESTIMATORS, EvaluationOptions, evaluate_policy
from cron.evaluation.intervals import Resampling
from cron.evaluation.logged_slates import LoggedSlates, PredictedRewards
from cron.evaluation.support import Requirements, effective_size
from tests.unit.cron.evaluation.choices import choices, many_choices

OPTIONS = EvaluationOptions(resampling=Resampling(resamples=300))


def reason(log: LoggedSlates, estimator: str = "ips") -> str:
    answer = evaluate_policy(log, estimator, OPTIONS)
    assert isinstance(answer, PolicyUnknown)
    return answer.reason


def value(log: LoggedSlates, estimator: str = "ips", clip: float | None = None) -> PolicyValue:
    answer = evaluate_policy(log, estimator, replace(OPTIONS, clip=clip))
    assert isinstance(answer, PolicyValue), answer
    return answer


def test_an_estimate_is_a_sentence() -> None:
    answer = value(many_choices(), "snips")
    assert answer.interval is not None
    assert answer.interval.low < 0.26 < answer.interval.high
    assert answer.sentence().startswith(f"A slate would earn {answer.value:.4g} (95% interval ")
    assert "from 2,000 slates of 2,000 users, which are worth 1,4" in answer.sentence()


def test_the_direct_method_says_that_nothing_corrects_it() -> None:
    rates = np.full(2_000, 0.25)
    predicted = PredictedRewards(logged_R=rates, target_R=rates)
    answer = value(replace(many_choices(), predicted=predicted), "direct")
    assert answer.value == pytest.approx(0.25)
    assert answer.interval is None
    assert "no logged reward corrects it" in answer.sentence()


def test_clipping_is_said_with_its_share() -> None:
    answer = value(many_choices(), clip=1.5)
    assert answer.greatest_weight == 1.5
    assert "Clipping removed" in answer.sentence()


def test_no_slates_are_unknown() -> None:
    assert reason(choices(np.array([]), np.array([]), np.array([]))) == "no slate was logged"


def test_one_great_weight_is_unknown() -> None:
    """A policy that the logs hardly ever followed."""
    generator = np.random.default_rng(0)
    logging = np.where(generator.random(3_000) < 0.01, 0.01, 0.99)
    target = np.where(logging < 0.5, 0.97, 0.03)
    rewards = (generator.random(3_000) < 0.5).astype(float)
    assert "3,000 slates are worth" in reason(choices(rewards, logging, target), "snips")


def test_a_user_with_most_of_the_weight_is_unknown() -> None:
    log = many_choices()
    users = np.where(np.arange(2_000) < 1_500, 0, np.arange(2_000))
    assert "few users have most of the weight" in reason(replace(log, user_R=users))


def test_a_few_rewards_are_unknown() -> None:
    log = many_choices()
    rewards = np.where(np.arange(2_000) < 5, 1.0, 0.0)
    assert reason(replace(log, reward_R=rewards)).startswith("5 users with a reward saw")


def test_choices_that_the_logs_never_have_are_unknown() -> None:
    """The logging policy showed one of two items; the target shows the third one half the time."""
    log = many_choices()
    half = replace(log, target_R=log.target_R / 2)
    assert "of its slates where the logs have none" in reason(half)
    known = replace(log, unsupported_R=np.full(2_000, 0.5))
    assert "50.0% of the policy's slates have an item" in reason(known)


def test_propensities_that_are_too_small_are_unknown() -> None:
    log = many_choices()
    assert "propensities are too small" in reason(replace(log, logging_R=log.logging_R / 2))


def test_what_an_estimator_lacks_is_its_reason() -> None:
    assert "whatever is before it" in reason(many_choices(), "independent_ips")
    assert reason(many_choices(), "doubly_robust") == "there is no reward model"
    with pytest.raises(KeyError, match="no estimator is called magic; there are ips, snips"):
        evaluate_policy(many_choices(), "magic")


def test_every_estimator_has_its_sentence_for_unknown() -> None:
    empty = choices(np.array([]), np.array([]), np.array([]))
    for name in ESTIMATORS:
        assert evaluate_policy(empty, name).sentence().startswith("What a slate would earn is unk")


def test_requirements_are_settings() -> None:
    strict = replace(OPTIONS, requirements=Requirements(min_effective_size=1_999))
    assert isinstance(evaluate_policy(many_choices(), "ips", strict), PolicyUnknown)


def test_the_effective_size_is_between_one_and_all() -> None:
    ones = np.ones((10, 1))
    assert effective_size(ones * 3, ones) == pytest.approx(10)
    assert effective_size(np.eye(10)[:, :1], ones) == pytest.approx(1)
    assert effective_size(np.zeros((10, 1)), ones) == 0
    assert effective_size(np.zeros((0, 0)), np.zeros((0, 0))) == 0
