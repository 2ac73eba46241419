"""Simulated experiments: visitors who come, return and earn rewards, as sums of each day.

Users differ: each has a rate of rewards, drawn from a gamma distribution. What they did before the
experiment has the same rate, and may have been done by a part of them only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cron.experiments.user_sums import UserSums

Matrix = NDArray[np.float64]  # users in rows, days in columns
NUM_DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who takes part in an experiment.

    `rate` is the mean number of rewards of a user and day, and `shape` that of the gamma
    distribution (small: users differ much). `value_sigma` spreads the value of a reward
    (lognormal); 0 counts rewards. Users come on random days, or all on the first; they stay for
    the rest of the experiment, or for one day. `known` have a past of `days_before`.
    """

    users_per_day: int = 500
    rate: float = 0.1
    shape: float = 0.5
    value_sigma: float = 0.0
    come_daily: bool = True
    return_daily: bool = True
    known: float = 0.7
    days_before: int = 14


AUDIENCES: Mapping[str, Audience] = {
    "new visitors each day": Audience(return_daily=False),
    "visitors who return": Audience(),
    "the same visitors every day": Audience(come_daily=False),
    "few and skewed purchases": Audience(rate=0.02, value_sigma=1.0),
}
DayOfArms = tuple[UserSums, UserSums]


def simulate(
    audience: Audience,
    generator: np.random.Generator,
    *,
    lift: float = 0.0,
    num_days: int = NUM_DAYS,
) -> Sequence[DayOfArms]:
    """Return the sums of control and treatment at the end of each day.

    The treatment multiplies the rate of rewards by 1 + `lift`.
    """
    num_users = audience.users_per_day * num_days
    days_D = np.arange(num_days)
    first_U = np.zeros(num_users, dtype=np.int64)
    if audience.come_daily:
        first_U = generator.integers(num_days, size=num_users)
    rate_U = generator.gamma(audience.shape, audience.rate / audience.shape, size=num_users)
    is_treated_U = generator.random(num_users) < 0.5
    before_U = generator.poisson(rate_U * audience.days_before) / audience.days_before
    before_U[generator.random(num_users) >= audience.known] = 0.0
    is_here_UD = days_D >= first_U[:, None]
    exposure_UD = np.cumsum(is_here_UD, axis=1, dtype=np.float64)
    if not audience.return_daily:
        is_here_UD = days_D == first_U[:, None]
        exposure_UD = np.cumsum(is_here_UD, axis=1, dtype=np.float64)
    served_U = rate_U * np.where(is_treated_U, 1 + lift, 1.0)
    rewards_UD = generator.poisson(served_U[:, None] * is_here_UD).astype(np.float64)
    if audience.value_sigma > 0:
        rewards_UD *= generator.lognormal(0.0, audience.value_sigma, size=rewards_UD.shape)
    reward_UD = np.cumsum(rewards_UD, axis=1)
    arms = [
        _sums_by_day(reward_UD[chosen], exposure_UD[chosen], before_U[chosen])
        for chosen in (~is_treated_U, is_treated_U)
    ]
    return list(zip(*arms, strict=True))


def _sums_by_day(reward_UD: Matrix, exposure_UD: Matrix, before_U: Matrix) -> list[UserSums]:
    before_UD = before_U[:, None] * exposure_UD
    columns = {
        "r": reward_UD.sum(axis=0),
        "n": exposure_UD.sum(axis=0),
        "b": before_UD.sum(axis=0),
        "rr": _products(reward_UD, reward_UD),
        "nn": _products(exposure_UD, exposure_UD),
        "bb": _products(before_UD, before_UD),
        "rn": _products(reward_UD, exposure_UD),
        "rb": _products(reward_UD, before_UD),
        "nb": _products(exposure_UD, before_UD),
    }
    num_users_D = (exposure_UD > 0).sum(axis=0)
    return [
        UserSums(
            num_users=int(num_users_D[day]),
            **{name: float(values_D[day]) for name, values_D in columns.items()},
        )
        for day in range(reward_UD.shape[1])
    ]


def _products(left_UD: Matrix, right_UD: Matrix) -> Matrix:
    products_D: Matrix = np.einsum("ud,ud->d", left_UD, right_UD)
    return products_D
