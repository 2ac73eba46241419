"""What the input of the estimators refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cron.evaluation.dense import dense_slates
from cron.evaluation.logged_slates import LoggedSlates, MarginalPropensities, PredictedRewards
from tests.unit.cron.evaluation.choices import choices

ONE = np.array([1.0])
TWO = LoggedSlates(
    slate_R=np.array([7, 7, 9]),
    position_R=np.array([1, 0, 0]),
    user_R=np.array([3, 3, 4]),
    reward_R=np.array([1.0, 2.0, 3.0]),
    logging_R=np.array([0.5, 0.25, 1.0]),
    target_R=np.array([0.25, 0.5, 1.0]),
)


def test_rows_become_matrices_by_slate_and_position() -> None:
    dense = dense_slates(TWO)
    assert dense.user_N.tolist() == [3, 4]
    assert dense.reward_NK.tolist() == [[2.0, 1.0], [3.0, 0.0]]
    assert dense.weight_NK.tolist() == [[2.0, 0.5], [1.0, 1.0]]
    assert dense.shown_NK.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("logging", "target", "reward", "message"),
    [
        (np.zeros(1), ONE, ONE, "propensity 0"),
        (ONE, np.array([1.5]), ONE, "not probabilities"),
        (np.array([np.nan]), ONE, ONE, "logging_R: row 0 is not finite"),
        (ONE, ONE, np.array([np.inf]), "reward_R: row 0 is not finite"),
        (np.ones(2), ONE, ONE, "logging_R has shape"),
    ],
)
def test_impossible_values_are_refused(
    logging: np.ndarray, target: np.ndarray, reward: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        choices(reward, logging, target)


def test_rows_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="slate 7 has two items at position 0"):
        replace(TWO, position_R=np.array([0, 0, 0]))
    with pytest.raises(ValueError, match="slate 7 has rows of two users"):
        replace(TWO, user_R=np.array([3, 4, 4]))
    with pytest.raises(ValueError, match="-1 is negative"):
        replace(TWO, position_R=np.array([-1, 0, 0]))


def test_optional_columns_are_checked_too() -> None:
    with pytest.raises(ValueError, match=r"marginal\.logging_R: row 0 was served with"):
        replace(TWO, marginal=MarginalPropensities(logging_R=np.zeros(3), target_R=np.ones(3)))
    with pytest.raises(ValueError, match=r"predicted\.target_R has shape"):
        replace(TWO, predicted=PredictedRewards(logged_R=np.ones(3), target_R=np.ones(2)))
    with pytest.raises(ValueError, match="unsupported_R"):
        replace(TWO, unsupported_R=np.array([0.0, 2.0, 0.0]))


def test_a_log_without_rows_is_valid() -> None:
    dense = dense_slates(choices(np.array([]), np.array([]), np.array([])))
    assert dense.reward_NK.shape == (0, 0)
