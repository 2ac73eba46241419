"""What an experiment says so far: better, worse, the same, harmful, broken, or undecided.

The first arm is the control. Each other one is compared with it; the permitted error is divided
among them (Bonferroni). An experiment may be judged at any time and as often as one likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cron.experiments.confidence_sequence import (
    AnytimeInterval,
    interval_at_all_times,
    p_value_at_all_times,
)
from cron.experiments.differences import (
    Estimate,
    difference,
    mean_reward,
    reward_estimate,
)
from cron.experiments.guardrails import GUARDRAILS, Guardrail, GuardrailCheck, check_guardrails
from cron.experiments.sample_ratio import ALPHA, sample_ratio_p
from cron.experiments.user_sums import UserSums

Finding = Literal["better", "worse", "same", "harmful", "undecided"]
State = Literal["broken", "decided", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSums:
    """What was measured of an arm; `share` is its planned share of the users."""

    name: str
    share: float
    reward: UserSums
    guardrails: Mapping[str, UserSums] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRules:
    """How arms are compared.

    `effect` is the relative effect worth finding: what is surely smaller counts as the same. It
    also is the scale of the confidence sequence. Before an arm has `min_users` users nothing is
    concluded, since the intervals hold for means of many users.
    """

    effect: float = 0.05
    alpha: float = 0.05
    min_users: int = 100
    adjust: bool = True
    guardrails: tuple[Guardrail, ...] = GUARDRAILS


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """An arm compared with the control: the difference of their rewards at this time."""

    arm: str
    estimate: Estimate
    interval: AnytimeInterval
    p_value: float
    finding: Finding
    guardrails: tuple[GuardrailCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The state of an experiment, with its reason in one sentence; `winner` is the best arm.

    `sample_ratio_p` is None where both arms are in every list.
    """

    state: State
    reason: str
    sample_ratio_p: float | None
    comparisons: tuple[ArmComparison, ...]
    winner: str | None = None


def judge(arms: Sequence[ArmSums], rules: ComparisonRules) -> Outcome:
    """Judge an experiment; the first arm is the control."""
    counts = [arm.reward.num_users for arm in arms]
    ratio_p = sample_ratio_p(counts, [arm.share for arm in arms])
    comparisons = tuple(_compare(arms[0], arm, rules, len(arms) - 1) for arm in arms[1:])
    found = tuple(one for one in comparisons if one is not None)
    state, reason, winner = _conclusion(arms, found, ratio_p, rules)
    return Outcome(
        state=state, reason=reason, sample_ratio_p=ratio_p, comparisons=found, winner=winner
    )


def judge_interleaved(
    arms: Sequence[ArmSums], preference: UserSums, rules: ComparisonRules
) -> Outcome:
    """Judge an experiment of two arms by the users' preferences, which are per list.

    `preference` has the reward of the second arm's items minus that of the first one's.
    """
    control, arm = arms
    estimate = reward_estimate(preference)
    if estimate is None:
        state, reason, _ = _conclusion(arms, (), None, rules)
        return Outcome(state=state, reason=reason, sample_ratio_p=None, comparisons=())
    # of both teams' items together
    worth = rules.effect * abs(mean_reward(control.reward) + mean_reward(arm.reward))
    interval = interval_at_all_times(estimate, scale=worth, alpha=rules.alpha)
    checks = check_guardrails(
        control.guardrails, arm.guardrails, guardrails=rules.guardrails, alpha=rules.alpha
    )
    has_users = preference.num_users >= rules.min_users
    found = ArmComparison(
        arm=arm.name,
        estimate=estimate,
        interval=interval,
        p_value=p_value_at_all_times(estimate, scale=worth),
        finding=_finding(interval, checks, worth) if has_users else "undecided",
        guardrails=checks,
    )
    state, reason, winner = _conclusion(arms, (found,), None, rules)
    return Outcome(
        state=state, reason=reason, sample_ratio_p=None, comparisons=(found,), winner=winner
    )


def _compare(
    control: ArmSums, arm: ArmSums, rules: ComparisonRules, num_compared: int
) -> ArmComparison | None:
    estimate = difference(control.reward, arm.reward, adjust=rules.adjust)
    if estimate is None:
        return None
    worth = rules.effect * abs(mean_reward(control.reward + arm.reward))
    alpha = rules.alpha / num_compared
    interval = interval_at_all_times(estimate, scale=worth, alpha=alpha)
    checks = check_guardrails(
        control.guardrails, arm.guardrails, guardrails=rules.guardrails, alpha=alpha
    )
    has_users = min(control.reward.num_users, arm.reward.num_users) >= rules.min_users
    return ArmComparison(
        arm=arm.name,
        estimate=estimate,
        interval=interval,
        p_value=p_value_at_all_times(estimate, scale=worth),
        finding=_finding(interval, checks, worth) if has_users else "undecided",
        guardrails=checks,
    )


def _finding(interval: AnytimeInterval, checks: Sequence[GuardrailCheck], worth: float) -> Finding:
    if any(check.is_harmed for check in checks):
        return "harmful"
    if interval.low > 0:
        return "better"
    if interval.high < 0:
        return "worse"
    return "same" if -worth < interval.low and interval.high < worth else "undecided"


def _conclusion(
    arms: Sequence[ArmSums],
    comparisons: Sequence[ArmComparison],
    ratio_p: float | None,
    rules: ComparisonRules,
) -> tuple[State, str, str | None]:
    """Return the state, its reason, and the winner."""
    if ratio_p is not None and ratio_p <= ALPHA:
        counts = ", ".join(f"{arm.name} {arm.reward.num_users}" for arm in arms)
        return "broken", f"the arms do not have their shares of the users ({counts})", None
    fewest = min(arms, key=lambda arm: arm.reward.num_users)
    if fewest.reward.num_users < rules.min_users:
        seen = f"{fewest.name} has {fewest.reward.num_users} of {rules.min_users} users"
        return "undecided", f"too few users to conclude anything: {seen}", None
    findings = ", ".join(f"{one.arm} is {_words(one)}" for one in comparisons)
    found = {one.finding for one in comparisons}
    if "undecided" in found and "harmful" not in found:  # harm ends it, whatever the others are
        return "undecided", findings, None
    better = [one for one in comparisons if one.finding == "better"]
    best = max(better, key=lambda one: one.estimate.value, default=None)
    return "decided", findings, arms[0].name if best is None else best.arm


def _words(comparison: ArmComparison) -> str:
    harmed = ", ".join(check.name for check in comparison.guardrails if check.is_harmed)
    if comparison.finding == "harmful":
        return f"harmful ({harmed})"
    if comparison.finding == "same":
        return "the same within the effect worth finding"
    return comparison.finding
