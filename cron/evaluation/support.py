"""What the logs must have for an answer; otherwise the answer is *unknown*, with the reason.

The mean of the weights says whether the logs can answer: where the logging policy could choose all
that the target policy chooses, it is 1, whatever the rewards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import DenseSlates
from cron.evaluation.inverse_propensity import prefix_weights
from cron.evaluation.logged_slates import Floats, Integers

_SURE = 3.0  # standard errors; less than one log in 300 is refused by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """The least that the logs must have.

    On logs worth about 240 slates, 95 % intervals covered the truth in 93 to 97 %, by estimator;
    from 300 on in 94.5 % and more (bench/results/decisions-estimators.md).
    """

    min_effective_size: float = 200.0  # slates, at the position where it is least
    min_effective_users: float = 30.0
    min_rewarded_users: int = 10  # users with a contribution that is not 0
    max_unsupported: float = 0.01  # share of the target policy's slates


def effective_size(weight_NK: Floats, shown_NK: Floats) -> float:
    """Return Kish's effective sample size at the position where it is least.

    (Σ w)² / Σ w²: how many slates of the target policy itself are worth as much as the log. N for
    equal weights, 1 if one slate has all the weight; 0 without slates or weight. Positions that no
    slate has do not count.
    Source: Kish, Survey Sampling (1965), 11.7.
    """
    weight_NK = weight_NK * shown_NK
    sums_K, squares_K = weight_NK.sum(axis=0), (weight_NK**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes_K = np.where(squares_K > 0, sums_K**2 / squares_K, 0.0)
    sizes_K = sizes_K[shown_NK.sum(axis=0) > 0]
    return float(sizes_K.min()) if len(sizes_K) else 0.0


def effective_users(contributions: Contributions) -> float:
    """Return the effective number of users: as `effective_size`, of the weights of each user.

    One user with most of the slates decides an estimate as much as one great weight.
    """
    weight_NK = contributions.weight_NK * contributions.shown_NK
    weight_UK = _sums_of_users(weight_NK, contributions.user_N)
    is_used_K = contributions.shown_NK.sum(axis=0) > 0
    return effective_size(weight_UK, np.ones_like(weight_UK) * is_used_K)


def why_unknown(
    slates: DenseSlates,
    contributions: Contributions,
    unclipped: Contributions | None,
    requirements: Requirements,
) -> str | None:
    """Return why the logs cannot say what the target policy earns; None if they can.

    `unclipped` are the contributions without clipping, whose weights show what support is missing;
    None if the propensities are estimated, since their weights need not add up.
    """
    return why_too_little_weight(
        slates, contributions, unclipped, requirements
    ) or _too_few_rewards(slates, contributions, requirements)


def why_too_little_weight(
    slates: DenseSlates,
    contributions: Contributions,
    unclipped: Contributions | None,
    requirements: Requirements,
) -> str | None:
    """Return why the slates say too little, whatever their rewards; arguments as `why_unknown`."""
    if not contributions.num_slates:
        return "no slate was logged"
    return (
        _missing_support(slates, requirements)
        or _wrong_mean_of_weights(unclipped, requirements)
        or _too_little_weight(contributions, requirements)
    )


def _missing_support(slates: DenseSlates, requirements: Requirements) -> str | None:
    """Refuse a target policy that is known to choose what the logging policy could not."""
    if slates.unsupported_NK is None:
        return None
    prefix_NK = prefix_weights(slates)
    before_NK = np.hstack([np.ones((len(prefix_NK), 1)), prefix_NK[:, :-1]])
    share = float((before_NK * slates.unsupported_NK).sum(axis=1).mean())
    if share <= requirements.max_unsupported:
        return None
    return (
        f"{share:.1%} of the policy's slates have an item that the logging policy could not"
        f" choose; at most {requirements.max_unsupported:.1%} may"
    )


def _wrong_mean_of_weights(
    unclipped: Contributions | None, requirements: Requirements
) -> str | None:
    """Refuse weights whose mean is surely not 1 at a position."""
    if unclipped is None:
        return None
    margin = requirements.max_unsupported
    for mean, error in zip(*_mean_weights(unclipped), strict=True):
        if mean + _SURE * error < 1 - margin:
            return (
                f"the weights add up to {mean:.1%} of the slates: the policy makes the other"
                f" {1 - mean:.1%} of its slates where the logs have none"
            )
        if mean - _SURE * error > 1 + margin:
            return (
                f"the weights add up to {mean:.1%} of the slates, where right propensities give"
                " 100 %: the logged propensities are too small, or the policy's are too great"
            )
    return None


def _mean_weights(contributions: Contributions) -> tuple[Floats, Floats]:
    """Return the mean weight at each position that slates have, and its standard error by user."""
    shown_NK = contributions.shown_NK[:, contributions.shown_NK.sum(axis=0) > 0]
    weight_NK = contributions.weight_NK[:, contributions.shown_NK.sum(axis=0) > 0]
    num_K = shown_NK.sum(axis=0)
    mean_K = (weight_NK * shown_NK).sum(axis=0) / num_K
    residual_UK = _sums_of_users((weight_NK - mean_K) * shown_NK, contributions.user_N)
    return mean_K, np.sqrt((residual_UK**2).sum(axis=0)) / num_K


def _too_little_weight(contributions: Contributions, requirements: Requirements) -> str | None:
    size, users = (
        effective_size(contributions.weight_NK, contributions.shown_NK),
        effective_users(contributions),
    )
    if size < requirements.min_effective_size:
        return (
            f"{contributions.num_slates:,} slates are worth {size:,.0f} of the policy's own;"
            f" at least {requirements.min_effective_size:,.0f} are needed"
        )
    if users < requirements.min_effective_users:
        return (
            f"few users have most of the weight: they are worth {users:,.0f} equal ones;"
            f" at least {requirements.min_effective_users:,.0f} are needed"
        )
    return None


def _too_few_rewards(
    slates: DenseSlates, contributions: Contributions, requirements: Requirements
) -> str | None:
    is_rewarded_N = (slates.reward_NK != 0).any(axis=1) & (contributions.weight_NK > 0).any(axis=1)
    num_users = len(np.unique(slates.user_N[is_rewarded_N]))
    if num_users >= requirements.min_rewarded_users:
        return None
    return (
        f"{num_users} users with a reward saw what the policy might show;"
        f" at least {requirements.min_rewarded_users} are needed"
    )


def _sums_of_users(values_NK: Floats, user_N: Integers) -> Floats:
    _, user_of_N = np.unique(user_N, return_inverse=True)
    sums_UK = np.zeros((int(user_of_N.max()) + 1, values_NK.shape[1]))
    np.add.at(sums_UK, user_of_N, values_NK)
    return sums_UK
