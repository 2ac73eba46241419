"""One estimator on one log: an estimate with an interval, or *unknown* with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import DenseSlates, dense_slates
from cron.evaluation.doubly_robust import direct, doubly_robust
from cron.evaluation.estimate import PolicyInterval, PolicyUnknown, PolicyValue
from cron.evaluation.intervals import Resampling, studentised_interval
from cron.evaluation.inverse_propensity import (
    independent_ips,
    independent_snips,
    interaction_ips,
    interaction_snips,
    ips,
    snips,
)
from cron.evaluation.logged_slates import LoggedSlates
from cron.evaluation.support import Requirements, effective_size, why_unknown

DIRECT = "direct"
WEIGHTED: Mapping[str, Callable[[DenseSlates, float | None], Contributions]] = {
    "ips": ips,
    "snips": snips,
    "independent_ips": independent_ips,
    "independent_snips": independent_snips,
    "interaction_ips": interaction_ips,
    "interaction_snips": interaction_snips,
    "doubly_robust": doubly_robust,
}
ESTIMATORS = (*WEIGHTED, DIRECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """How to estimate: the greatest weight, the interval, and what the logs must have."""

    clip: float | None = None
    resampling: Resampling = field(default_factory=Resampling)
    requirements: Requirements = field(default_factory=Requirements)


def evaluate_policy(
    slates: LoggedSlates, estimator: str, options: EvaluationOptions | None = None
) -> PolicyValue | PolicyUnknown:
    """Estimate what a slate of the target policy earns on average.

    Raise KeyError for an unknown estimator.
    """
    options = options or EvaluationOptions()
    if estimator not in ESTIMATORS:
        raise KeyError(f"no estimator is called {estimator}; there are {', '.join(ESTIMATORS)}")
    dense = dense_slates(slates)
    missing = _missing_input(dense, estimator)
    if missing is not None:
        return _unknown(estimator, missing, dense)
    contributions = unclipped = contributions_of(dense, estimator, None)
    if options.clip is not None:
        contributions = contributions_of(dense, estimator, options.clip)
    reason = why_unknown(dense, contributions, unclipped, options.requirements)
    if reason is not None:
        return _unknown(estimator, reason, dense)
    return PolicyValue(
        estimator=estimator,
        value=contributions.value(),
        interval=_interval(contributions, estimator, options.resampling),
        num_slates=contributions.num_slates,
        num_users=len(np.unique(contributions.user_N)),
        effective_size=effective_size(contributions.weight_NK, contributions.shown_NK),
        greatest_weight=float(contributions.weight_NK.max()),
        removed_weight=contributions.removed_weight,
    )


def _missing_input(dense: DenseSlates, estimator: str) -> str | None:
    """Return what the log lacks for an estimator."""
    if estimator.startswith("independent") and dense.marginal_weight_NK is None:
        return "the log has no propensities of an item at its position whatever is before it"
    if estimator in (DIRECT, "doubly_robust") and dense.predicted_logged_NK is None:
        return "there is no reward model"
    return None


def contributions_of(dense: DenseSlates, estimator: str, clip: float | None) -> Contributions:
    """Return what each slate contributes to an estimate; raise ValueError for missing input."""
    return direct(dense) if estimator == DIRECT else WEIGHTED[estimator](dense, clip)


def _interval(
    contributions: Contributions, estimator: str, resampling: Resampling
) -> PolicyInterval | None:
    if estimator == DIRECT:
        return None
    low, high = studentised_interval(contributions, resampling)
    return PolicyInterval(low=low, high=high, confidence=resampling.confidence)


def _unknown(estimator: str, reason: str, dense: DenseSlates) -> PolicyUnknown:
    return PolicyUnknown(estimator=estimator, reason=reason, num_slates=len(dense.user_N))
