"""What slates say about a policy: how they did as served, and what the policy would earn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cron.evaluation.answered_slates import TargetSlate
from cron.evaluation.dense import dense_slates
from cron.evaluation.estimate import PolicyUnknown, PolicyValue
from cron.evaluation.evaluate import DIRECT, ESTIMATORS, EvaluationOptions, evaluate_policy
from cron.evaluation.target_rows import logged_slates, with_reward_model

Estimate = PolicyValue | PolicyUnknown

# Self-normalised by prefix first: of those that need no model, the most robust for lists.
DEFAULT_ESTIMATORS = ("interaction_snips", "interaction_ips", "snips", "ips")
MODELLED = ("doubly_robust", DIRECT)
# those by position need what no model says: an item's probability whatever is above it
ANSWERABLE = tuple(name for name in ESTIMATORS if not name.startswith("independent"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What N slates say.

    `mean` is what a slate earned as it was served, with `served` as its interval or the reason why
    there is none. `same_share` is the share of the target policy's lists that are the served ones,
    and `same_earned` what those contribute to its mean. `num_older` slates were served by a release
    before the one that answered.
    """

    mean: float
    served: Estimate
    estimates: tuple[Estimate, ...]
    num_slates: int
    num_users: int
    num_older: int
    all_certain: bool
    is_same_policy: bool
    same_share: float
    same_earned: float


def needs_model(estimators: Sequence[str]) -> bool:
    """Return whether an estimator needs a reward model."""
    return any(name in MODELLED for name in estimators)


def find(
    targets: Sequence[TargetSlate],
    estimators: Sequence[str],
    options: EvaluationOptions | None = None,
) -> Findings:
    """Evaluate a policy on at least one slate; a reward model needs its alternatives."""
    logged = logged_slates(targets)
    if needs_model(estimators):
        logged = with_reward_model(logged, targets)
    as_served = replace(logged, target_R=logged.logging_R)
    dense = dense_slates(logged)
    weight_N, reward_N = dense.weight_NK.prod(axis=1), dense.reward_NK.sum(axis=1)
    return Findings(
        mean=float(reward_N.mean()),
        served=evaluate_policy(as_served, "ips", options),
        estimates=tuple(evaluate_policy(logged, name, options) for name in estimators),
        num_slates=len(targets),
        num_users=len({one.slate.user_id for one in targets}),
        num_older=sum(
            one.slate.version is not None
            and one.version is not None
            and one.slate.version < one.version
            for one in targets
        ),
        all_certain=bool((logged.logging_R == 1).all()),
        is_same_policy=bool(np.allclose(logged.target_R, logged.logging_R, rtol=1e-3)),
        same_share=float(weight_N.mean()),
        same_earned=float((weight_N * reward_N).mean()),
    )
