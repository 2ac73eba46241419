"""Two target policies on the same slates: what one earns more than the other.

The difference comes from the same resamples of users as both values, so what the two policies have
in common adds no noise to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cron.evaluation.answered_slates import TargetSlate, first_places
from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import DenseSlates, dense_slates
from cron.evaluation.estimate import PolicyInterval, PolicyUnknown, PolicyValue
from cron.evaluation.evaluate import EvaluationOptions, contributions_of, evaluate_policy
from cron.evaluation.intervals import studentised_interval
from cron.evaluation.inverse_propensity import interaction_ips
from cron.evaluation.logged_slates import LoggedSlates
from cron.evaluation.support import Requirements, why_too_little_weight
from cron.evaluation.target_rows import logged_slates, with_reward_model

ESTIMATORS = ("interaction_snips", "doubly_robust")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyComparison:
    """What a slate earns under a policy, under another, and the difference of the two."""

    mine: PolicyValue
    theirs: PolicyValue
    difference: float
    interval: PolicyInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSlates:
    """The comparisons by each estimator, of the first `num_places` of the slates."""

    num_places: int
    found: Sequence[PolicyComparison | PolicyUnknown]


def compare_on_slates(
    mine: Sequence[TargetSlate],
    theirs: Sequence[TargetSlate],
    options: EvaluationOptions | None = None,
) -> ComparedSlates:
    """Compare two policies on the same slates, as far down as the logs can say.

    The weights of a list grow with its length, so long lists soon say nothing. What the first
    places earn does not depend on those below, if visitors look from the top down. The number of
    places is the greatest at which both policies have enough weight; rewards do not decide it.
    """
    options = options or EvaluationOptions()
    both = [dense_slates(logged_slates(targets)) for targets in (mine, theirs)]
    num_places = both[0].shown_NK.shape[1]
    while num_places > 1 and not all(
        _carries(dense, num_places, options.requirements) for dense in both
    ):
        num_places -= 1
    mine, theirs = first_places(mine, num_places), first_places(theirs, num_places)
    my_rows = with_reward_model(logged_slates(mine), mine)
    their_rows = with_reward_model(logged_slates(theirs), theirs)
    found = [compare_policies(my_rows, their_rows, name, options) for name in ESTIMATORS]
    return ComparedSlates(num_places=num_places, found=found)


def compare_policies(
    mine: LoggedSlates, theirs: LoggedSlates, estimator: str, options: EvaluationOptions
) -> PolicyComparison | PolicyUnknown:
    """Compare two policies by one estimator; *unknown* if one of them is.

    Both have the same slates by number, users and rewards. Raise KeyError for an unknown estimator.
    """
    my_value = evaluate_policy(mine, estimator, options)
    their_value = evaluate_policy(theirs, estimator, options)
    if isinstance(my_value, PolicyUnknown):
        return my_value
    if isinstance(their_value, PolicyUnknown):
        return their_value
    apart = _difference(
        contributions_of(dense_slates(mine), estimator, options.clip),
        contributions_of(dense_slates(theirs), estimator, options.clip),
    )
    low, high = studentised_interval(apart, options.resampling)
    return PolicyComparison(
        mine=my_value,
        theirs=their_value,
        difference=apart.value(),
        interval=PolicyInterval(low=low, high=high, confidence=options.resampling.confidence),
    )


def _difference(mine: Contributions, theirs: Contributions) -> Contributions:
    """Return contributions whose value is the difference of two values."""
    return Contributions(
        user_N=mine.user_N,
        earned_NK=np.hstack([mine.earned_NK, -theirs.earned_NK]),
        normaliser_NK=np.hstack([mine.normaliser_NK, theirs.normaliser_NK]),
        shown_NK=np.hstack([mine.shown_NK, theirs.shown_NK]),
        weight_NK=np.hstack([mine.weight_NK, theirs.weight_NK]),
    )


def _carries(dense: DenseSlates, num_places: int, requirements: Requirements) -> bool:
    """Return whether the first places of the slates have enough weight."""
    first = replace(
        dense,
        shown_NK=dense.shown_NK[:, :num_places],
        reward_NK=dense.reward_NK[:, :num_places],
        weight_NK=dense.weight_NK[:, :num_places],
    )
    weighted = interaction_ips(first)
    return why_too_little_weight(first, weighted, weighted, requirements) is None
