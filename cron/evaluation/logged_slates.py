"""The input of every estimator: served slates as rows, one per item.

A slate with one item is a single choice, so estimators for choices and for lists have one input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginalPropensities:
    """P(the item stands at this position), whatever the items before it.

    `independent_ips` needs them. For a single choice, and for a policy that chooses each position
    independently of the others, they equal the propensities given the prefix.
    """

    logging_R: Floats
    target_R: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedRewards:
    """A reward model's predictions at each row: the reward of this position and all later ones.

    `logged_R` is for the logged item. `target_R` is the mean over the items that the target policy
    would choose here: the sum over a of target(a | prefix) × prediction(prefix, a). Both are given
    the logged items before the position; later positions follow the target policy. The model must
    not be fitted on the same slates (cross-fit it), or the interval is too short.
    """

    logged_R: Floats
    target_R: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSlates:
    """R items of slates, in any order.

    `slate_R` and `user_R` are any integers; all rows of a slate have one user. A slate without a
    known user is a user of its own. `position_R` counts from 0. `logging_R` is the probability with
    which the logging policy chose the item for its position, given the items before it;
    `target_R` is the target policy's. Both are 1 for a pinned item, which no policy chose.
    `unsupported_R` is the probability with which the target policy would choose an item here that
    the logging policy could not; without it, missing support is inferred from the weights.
    Slates without propensities need estimated ones, and then `cron.evaluation.sensitivity`.

    Raise ValueError for arrays that differ in length, values that are not finite, probabilities
    outside [0, 1], a logging propensity of 0, two items at one position, or a slate of two users.
    """

    slate_R: Integers
    position_R: Integers
    user_R: Integers
    reward_R: Floats
    logging_R: Floats
    target_R: Floats
    unsupported_R: Floats | None = None
    marginal: MarginalPropensities | None = None
    predicted: PredictedRewards | None = None

    def __post_init__(self) -> None:
        """Refuse rows that contradict each other."""
        num_rows = len(self.slate_R)
        _check_finite("position_R", self.position_R, num_rows)
        _check_finite("user_R", self.user_R, num_rows)
        _check_finite("reward_R", self.reward_R, num_rows)
        _check_propensities("", self.logging_R, self.target_R, num_rows)
        if self.unsupported_R is not None:
            _check_probability("unsupported_R", self.unsupported_R, num_rows)
        if self.marginal is not None:
            logging_R, target_R = self.marginal.logging_R, self.marginal.target_R
            _check_propensities("marginal.", logging_R, target_R, num_rows)
        if self.predicted is not None:
            _check_finite("predicted.logged_R", self.predicted.logged_R, num_rows)
            _check_finite("predicted.target_R", self.predicted.target_R, num_rows)
        _check_places(self.slate_R, self.position_R, self.user_R)


def _check_places(slate_R: Integers, position_R: Integers, user_R: Integers) -> None:
    """Refuse two items at one place, and slates with two users."""
    if not len(slate_R):
        return
    if position_R.min() < 0:
        raise ValueError(f"position_R: {position_R.min()} is negative; positions count from 0")
    order_R = np.lexsort((position_R, slate_R))
    slate_R, position_R, user_R = slate_R[order_R], position_R[order_R], user_R[order_R]
    is_same_slate = slate_R[1:] == slate_R[:-1]
    twice = np.flatnonzero(is_same_slate & (position_R[1:] == position_R[:-1]))
    if len(twice):
        slate, position = slate_R[twice[0]], position_R[twice[0]]
        raise ValueError(f"slate {slate} has two items at position {position}")
    mixed = np.flatnonzero(is_same_slate & (user_R[1:] != user_R[:-1]))
    if len(mixed):
        raise ValueError(f"slate {slate_R[mixed[0]]} has rows of two users")


def _check_propensities(prefix: str, logging_R: Floats, target_R: Floats, num_rows: int) -> None:
    _check_probability(f"{prefix}logging_R", logging_R, num_rows)
    _check_probability(f"{prefix}target_R", target_R, num_rows)
    if num_rows and logging_R.min() <= 0:
        row = int(logging_R.argmin())
        raise ValueError(
            f"{prefix}logging_R: row {row} was served with propensity 0; a policy cannot choose"
            " what it gives no probability"
        )


def _check_probability(name: str, values_R: Floats, num_rows: int) -> None:
    _check_finite(name, values_R, num_rows)
    # sums of probabilities may exceed 1 by rounding
    if num_rows and (values_R.min() < 0 or values_R.max() > 1 + 1e-9):
        raise ValueError(f"{name}: {values_R.min():g} to {values_R.max():g} are not probabilities")


def _check_finite(name: str, values_R: Floats | Integers, num_rows: int) -> None:
    if values_R.shape != (num_rows,):
        raise ValueError(f"{name} has shape {values_R.shape}, slate_R has {num_rows} rows")
    if not np.isfinite(values_R).all():
        raise ValueError(f"{name}: row {int(np.argmin(np.isfinite(values_R)))} is not finite")
