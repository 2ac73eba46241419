"""Bounds for logs without propensities: how far could hidden reasons move the estimate?

Such a log was made by a policy that nobody can ask for its probabilities. The estimated ones here
are frequencies or a model's; the true ones may depend on what the log does not have. The marginal
sensitivity model says how much: the odds of each choice differ from the estimated odds by at most a
factor gamma. Then each inverse propensity 1/p lies between 1 + (1/e − 1)/gamma and
1 + (1/e − 1)·gamma, and the value between the least and the greatest

    1/N Σ_i E_i + Σ_i t_i W_i (r_i − Q_i) / Σ_i t_i W_i

over all such W, with t the target's propensity, and the reward model's Q and E (both 0 without a
model). The extreme W is the greater end for all residuals above a threshold, and the lesser end for
those below, or the reverse; ties share an end.
Sources: Tan, A Distributional Approach for Causal Inference Using Propensity Scores, JASA 2006;
Zhao, Small and Bhattacharya, Sensitivity Analysis for Inverse Probability Weighting Estimators via
the Percentile Bootstrap, JRSS-B 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import DenseSlates, dense_slates
from cron.evaluation.estimate import PolicyUnknown
from cron.evaluation.evaluate import EvaluationOptions
from cron.evaluation.intervals import studentised_interval
from cron.evaluation.logged_slates import Floats, Integers, LoggedSlates
from cron.evaluation.support import why_unknown

_NAME = "sensitivity bounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityBounds:
    """What the target policy may earn if odds differ by at most a factor `gamma`.

    `low` and `high` bound the value on this log; `widest_low` and `widest_high` also cover the
    log's own error, each with half of 1 − `confidence`. `value` is the estimate at gamma = 1.
    """

    gamma: float
    value: float
    low: float
    high: float
    widest_low: float
    widest_high: float
    confidence: float
    num_slates: int
    num_users: int

    def sentence(self) -> str:
        """Describe the bounds to a person."""
        return (
            f"The log has no propensities. If the estimated ones were right, a choice would earn"
            f" {self.value:.4g}; if their odds are wrong by at most a factor {self.gamma:g},"
            f" {self.low:.4g} to {self.high:.4g}, and with the {self.confidence:.0%} interval of"
            f" {self.num_slates:,} choices by {self.num_users:,} users {self.widest_low:.4g} to"
            f" {self.widest_high:.4g}."
        )


def sensitivity_bounds(
    choices: LoggedSlates, gamma: float, options: EvaluationOptions | None = None
) -> SensitivityBounds | PolicyUnknown:
    """Bound the value of a choice under the target policy.

    `choices` are slates of one item whose `logging_R` was estimated, for example by
    `frequency_propensities`. A list's positions are choices of their own: with a slate number for
    each, the bounds are of a position, if rewards do not depend on the other positions. Raise
    ValueError for longer slates and for gamma below 1.
    """
    options = options or EvaluationOptions()
    dense = dense_slates(choices)
    if dense.shown_NK.shape[1] > 1:
        raise ValueError("sensitivity bounds are of single choices; give each position a slate")
    if not gamma >= 1:
        raise ValueError(f"gamma is {gamma:g}; a factor between odds is at least 1")
    if not len(dense.user_N):
        return PolicyUnknown(estimator=_NAME, reason="no choice was logged", num_slates=0)
    nominal = _contributions(dense, choices, 1.0, is_upper=False)
    reason = why_unknown(dense, nominal, None, options.requirements)
    if reason is not None:
        return PolicyUnknown(estimator=_NAME, reason=reason, num_slates=nominal.num_slates)
    lower = _contributions(dense, choices, gamma, is_upper=False)
    upper = _contributions(dense, choices, gamma, is_upper=True)
    return SensitivityBounds(
        gamma=gamma,
        value=nominal.value(),
        low=lower.value(),
        high=upper.value(),
        # the extreme weights are a maximum: to first order a resample has the same ones
        widest_low=studentised_interval(lower, options.resampling)[0],
        widest_high=studentised_interval(upper, options.resampling)[1],
        confidence=options.resampling.confidence,
        num_slates=nominal.num_slates,
        num_users=len(np.unique(nominal.user_N)),
    )


def frequency_propensities(item_R: Integers, position_R: Integers) -> Floats:
    """Return the share of the rows at each row's position that have its item.

    It ignores users and contexts: exact for a policy that does, and a first guess for others.
    """
    pairs_R2 = np.stack([position_R, item_R], axis=1)
    _, pair_R, num_of_pair = np.unique(pairs_R2, axis=0, return_inverse=True, return_counts=True)
    _, place_R, num_of_place = np.unique(position_R, return_inverse=True, return_counts=True)
    return np.asarray(num_of_pair[pair_R.ravel()] / num_of_place[place_R.ravel()])


def _contributions(
    dense: DenseSlates, choices: LoggedSlates, gamma: float, *, is_upper: bool
) -> Contributions:
    """Return two terms: the weighted residuals at their extreme, and the model's predictions."""
    target_N, logging_N = _by_slate(choices)
    residual_N, predicted_N = dense.reward_NK[:, 0], np.zeros(len(target_N))
    if dense.predicted_logged_NK is not None and dense.predicted_target_NK is not None:
        residual_N = residual_N - dense.predicted_logged_NK[:, 0]
        predicted_N = dense.predicted_target_NK[:, 0]
    low_N = target_N * (1 + (1 / logging_N - 1) / gamma)
    high_N = target_N * (1 + (1 / logging_N - 1) * gamma)
    sign = 1.0 if is_upper else -1.0
    weight_N = _greatest_mean_weights(sign * residual_N, low_N, high_N)
    ones_N = np.ones(len(weight_N))
    return Contributions(
        user_N=dense.user_N,
        earned_NK=np.stack([weight_N * residual_N, predicted_N], axis=1),
        normaliser_NK=np.stack([weight_N, ones_N], axis=1),
        shown_NK=np.stack([ones_N, ones_N], axis=1),
        weight_NK=np.stack([weight_N, ones_N], axis=1),
    )


def _greatest_mean_weights(values_N: Floats, low_N: Floats, high_N: Floats) -> Floats:
    """Return the weights between `low` and `high` with the greatest weighted mean of the values."""
    order_N = np.argsort(-values_N, kind="stable")
    low_N, high_N, sorted_N = low_N[order_N], high_N[order_N], values_N[order_N]
    # with the j greatest values at their high weight, for j = 0 … N
    gained_J = np.concatenate([[0.0], ((high_N - low_N) * sorted_N).cumsum()])
    heavier_J = np.concatenate([[0.0], (high_N - low_N).cumsum()])
    with np.errstate(divide="ignore", invalid="ignore"):
        means_J = ((low_N * sorted_N).sum() + gained_J) / (low_N.sum() + heavier_J)
    num_high = int(np.nanargmax(means_J)) if np.isfinite(means_J).any() else 0
    weight_N = np.empty_like(low_N)
    weight_N[order_N] = np.where(np.arange(len(low_N)) < num_high, high_N, low_N)
    return weight_N


def _by_slate(choices: LoggedSlates) -> tuple[Floats, Floats]:
    """Return the target's and the estimated propensities in the order of the slates' numbers."""
    order_R = np.argsort(choices.slate_R, kind="stable")
    return choices.target_R[order_R], choices.logging_R[order_R]
