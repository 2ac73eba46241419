"""What slates say about a policy: how they did as served, and what the policy would earn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cron.evaluation.dense import dense_slates
from cron.evaluation.estimate import PolicyUnknown, PolicyValue
from cron.evaluation.evaluate import EvaluationOptions, evaluate_policy
from cron.evaluation.logged_slates import LoggedSlates
from cron.verbs.evaluations.asking import TargetSlate

Estimate = PolicyValue | PolicyUnknown

# Self-normalised by prefix first: of those that need no model, the most robust for lists.
DEFAULT_ESTIMATORS = ("interaction_snips", "interaction_ips", "snips", "ips")


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


def find(
    targets: Sequence[TargetSlate],
    estimators: Sequence[str],
    options: EvaluationOptions | None = None,
) -> Findings:
    """Evaluate a policy on at least one slate."""
    logged = logged_slates(targets)
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
            one.slate.version is not None and one.slate.version < one.version for one in targets
        ),
        all_certain=bool((logged.logging_R == 1).all()),
        is_same_policy=bool(np.allclose(logged.target_R, logged.logging_R, rtol=1e-3)),
        same_share=float(weight_N.mean()),
        same_earned=float((weight_N * reward_N).mean()),
    )


def logged_slates(targets: Sequence[TargetSlate]) -> LoggedSlates:
    """Return the rows of the estimators; a pinned item has propensity 1 on both sides."""
    users = {one.slate.user_id: 0 for one in targets}
    users = {user_id: number for number, user_id in enumerate(users)}
    rows: list[tuple[int, int, int]] = []
    values: list[tuple[float, float, float]] = []
    for number, one in enumerate(targets):
        slate = one.slate
        items = zip(slate.rewards, slate.propensities, one.propensities, strict=True)
        for position, (reward, logging, target) in enumerate(items):
            rows.append((number, position, users[slate.user_id]))
            values.append((reward, _or_one(logging), _or_one(target)))
    slate_R, position_R, user_R = np.array(rows, np.int64).reshape(-1, 3).T
    reward_R, logging_R, target_R = np.array(values, np.float64).reshape(-1, 3).T
    return LoggedSlates(
        slate_R=slate_R,
        position_R=position_R,
        user_R=user_R,
        reward_R=reward_R,
        logging_R=logging_R,
        target_R=target_R,
    )


def _or_one(propensity: float | None) -> float:
    return 1.0 if propensity is None else propensity
