"""The reward model of the direct method and doubly robust."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cron.evaluation.estimate import PolicyValue
from cron.evaluation.evaluate import EvaluationOptions, evaluate_policy
from cron.evaluation.intervals import Resampling
from cron.evaluation.logged_slates import LoggedSlates
from cron.evaluation.reward_model import predict_rewards
from cron.evaluation.target_rows import likely_choices, logged_slates, with_reward_model
from tests.unit.cron.evaluation.served_lists import (
    BETTER_I,
    NUM_ITEMS,
    asked_about,
    drawn_slates,
    exact_value,
)

OPTIONS = EvaluationOptions(resampling=Resampling(resamples=300))


def model_rows(num: int, length: int, *, seed: int = 0, num_likely: int = 3) -> LoggedSlates:
    targets = asked_about(drawn_slates(num, length, seed=seed), BETTER_I, num_likely=num_likely)
    return with_reward_model(logged_slates(targets), targets)


def value(log: LoggedSlates, estimator: str) -> PolicyValue:
    found = evaluate_policy(log, estimator, OPTIONS)
    assert isinstance(found, PolicyValue), found
    return found


def width(found: PolicyValue) -> float:
    assert found.interval is not None
    return found.interval.high - found.interval.low


@pytest.mark.parametrize("num_likely", [1, 3, NUM_ITEMS])
def test_doubly_robust_is_right_however_little_the_model_knows(num_likely: int) -> None:
    """The mean over 20 logs: a prediction that cannot see the log's own rewards adds no bias."""
    logs = [model_rows(600, 2, seed=seed, num_likely=num_likely) for seed in range(20)]
    found = [value(log, "doubly_robust").value for log in logs]
    truth, error = exact_value(BETTER_I, 2), float(np.std(found)) / len(found) ** 0.5
    assert abs(float(np.mean(found)) - truth) < 3 * error


def test_a_reward_model_makes_the_interval_shorter() -> None:
    log = model_rows(2_000, 2, num_likely=NUM_ITEMS)
    found = value(log, "doubly_robust")
    assert found.interval is not None
    assert found.interval.low < exact_value(BETTER_I, 2) < found.interval.high
    assert width(found) < width(value(log, "interaction_ips"))


def test_the_direct_method_is_near_the_truth_of_a_simple_shop() -> None:
    found = value(model_rows(3_000, 2, num_likely=NUM_ITEMS), "direct")
    assert found.value == pytest.approx(exact_value(BETTER_I, 2), rel=0.1)
    assert found.interval is None


def test_a_users_own_rewards_do_not_change_their_predictions() -> None:
    targets = asked_about(drawn_slates(200, 2), BETTER_I)
    log, likely = logged_slates(targets), likely_choices(targets)
    mine_R = log.user_R == 7
    paid = replace(log, reward_R=np.where(mine_R, 100.0, log.reward_R))
    before, after = predict_rewards(log, likely), predict_rewards(paid, likely)
    assert (before.logged_R[mine_R] == after.logged_R[mine_R]).all()
    assert (before.target_R[mine_R] == after.target_R[mine_R]).all()
    assert (before.logged_R[~mine_R] != after.logged_R[~mine_R]).any()


def test_one_user_teaches_nothing_about_another() -> None:
    targets = asked_about(drawn_slates(2, 3), BETTER_I)
    predicted = with_reward_model(logged_slates(targets), targets).predicted
    assert predicted is not None
    assert not predicted.logged_R.any()
    assert not predicted.target_R.any()


def test_a_pin_is_predicted_alike_on_both_sides() -> None:
    """Its place is certain under both policies, so it earns what it earned."""
    slates = [
        replace(one, propensities=(None, *one.propensities[1:])) for one in drawn_slates(400, 2)
    ]
    targets = [
        replace(
            one,
            propensities=(None, one.propensities[1]),
            alternatives=((), one.alternatives[1]),
        )
        for one in asked_about(slates, BETTER_I)
    ]
    predicted = with_reward_model(logged_slates(targets), targets).predicted
    assert predicted is not None
    assert predicted.logged_R[::2] == pytest.approx(predicted.target_R[::2])
