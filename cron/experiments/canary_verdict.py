"""Whether a canary is promoted, taken back, or goes on, from the rewards of its two arms.

The interval of the difference holds at all times, so the canary may be looked at as often as one
likes: one that does no harm is taken back because of its reward with a probability of at most
alpha. A harmful one is taken back as soon as that is certain; a good one is promoted when its
harm is certainly no larger than what is tolerated. When the time is over and neither is certain,
the gate's verdict decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cron.experiments.differences import mean_reward
from cron.experiments.guardrails import GUARDRAILS, Guardrail
from cron.experiments.outcome import ArmComparison, ArmSums, ComparisonRules, judge
from cron.lineage import Reason

NAME = "canary"
# The live release makes the candidate's lists while a restarted model server loads that again.
_ERRORS = Guardrail(name="errors", worse="higher", floor=0.02)
_GUARDRAILS = (_ERRORS, *(one for one in GUARDRAILS if one.name != _ERRORS.name))
Decision = Literal["promote", "take_back", "wait"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRules:
    """`tolerated` is the relative loss of reward that is; times are in seconds."""

    tolerated: float
    min_s: float
    max_s: float
    comparison: ComparisonRules = field(
        default_factory=lambda: ComparisonRules(guardrails=_GUARDRAILS)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryVerdict:
    """What is to be done, and why."""

    decision: Decision
    reason: Reason


def judge_canary(arms: Sequence[ArmSums], rules: CanaryRules, *, age_s: float) -> CanaryVerdict:
    """Judge a canary of a certain age; the first arm is the control."""
    outcome = judge(arms, rules.comparison)
    comparison = next(iter(outcome.comparisons), None)
    if outcome.state == "broken":
        return _verdict("take_back", outcome.reason, comparison, arms, rules)
    fewest = min(arm.reward.num_users for arm in arms)
    if comparison is None or fewest < rules.comparison.min_users:
        needed = rules.comparison.min_users
        seen = f"{fewest} of the {needed} users that a comparison needs in each arm"
        if age_s < rules.max_s:
            return _verdict("wait", seen, comparison, arms, rules)
        alone = f"promoted by the gate alone: after {_hours(age_s)} there were {seen}"
        return _verdict("promote", alone, comparison, arms, rules)
    return _compare(comparison, arms, rules, age_s=age_s)


def _compare(
    comparison: ArmComparison, arms: Sequence[ArmSums], rules: CanaryRules, *, age_s: float
) -> CanaryVerdict:
    measured = _rewards_text(comparison, arms)
    if comparison.finding == "harmful":
        harmed = ", ".join(check.name for check in comparison.guardrails if check.is_harmed)
        return _verdict("take_back", f"harm to {harmed}; {measured}", comparison, arms, rules)
    limit = rules.tolerated * abs(mean_reward(arms[0].reward))
    loss = f"a loss of more than {rules.tolerated:.0%}"
    if comparison.interval.high < -limit:
        return _verdict("take_back", f"{measured}: {loss}", comparison, arms, rules)
    if comparison.interval.low > -limit and age_s >= rules.min_s:
        return _verdict("promote", f"{measured}: not {loss}", comparison, arms, rules)
    if age_s < rules.max_s:
        return _verdict("wait", measured, comparison, arms, rules)
    undecided = f"promoted by the gate: after {_hours(age_s)} {loss} is not shown; {measured}"
    return _verdict("promote", undecided, comparison, arms, rules)


def _rewards_text(comparison: ArmComparison, arms: Sequence[ArmSums]) -> str:
    control, candidate = arms
    mean = mean_reward(control.reward)
    users = f"{candidate.reward.num_users:,} users, {control.reward.num_users:,} in the control"
    interval = comparison.interval
    if mean == 0 or math.isinf(interval.low):
        return f"{users}, and no rewards to compare"
    numbers = (comparison.estimate.value, interval.low, interval.high)
    difference, low, high = (_percent(number / abs(mean)) for number in numbers)
    return f"reward {difference}, interval {low} to {high} ({users})"


def _verdict(
    decision: Decision,
    text: str,
    comparison: ArmComparison | None,
    arms: Sequence[ArmSums],
    rules: CanaryRules,
) -> CanaryVerdict:
    value, low, high = None, None, None
    if comparison is not None and math.isfinite(comparison.interval.low):
        value = comparison.estimate.value
        low, high = comparison.interval.low, comparison.interval.high
    reason = Reason(
        name=NAME,
        ok=decision != "take_back",
        text=f"canary: {text}",
        value=value,
        low=low,
        high=high,
        limit=-rules.tolerated * abs(mean_reward(arms[0].reward)),
    )
    return CanaryVerdict(decision=decision, reason=reason)


def _percent(share: float) -> str:
    return f"{share:+.1%}".replace("-", "−")


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
