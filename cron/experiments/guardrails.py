"""Guardrails: what an experiment must not harm while it improves the reward.

Each is a mean per list or per user, compared by a confidence sequence of its own, so it may be
looked at every day. The permitted error is divided among the guardrails (Bonferroni), so a harmless
arm is stopped by any of them with a probability of at most alpha.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cron.experiments.confidence_sequence import AnytimeInterval, interval_at_all_times
from cron.experiments.differences import difference, mean_reward
from cron.experiments.user_sums import UserSums

Worse = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A metric, which direction is harm, and how much of it is tolerated.

    That is a share of the control's value, and at least `floor`.
    """

    name: str
    worse: Worse
    tolerated: float = 0.02
    floor: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailCheck:
    """A guardrail's value in both arms, the interval of the difference, and whether it is harm."""

    name: str
    control: float
    treatment: float
    interval: AnytimeInterval
    is_harmed: bool


GUARDRAILS = (
    Guardrail(name="latency", worse="higher", tolerated=0.1),
    Guardrail(name="errors", worse="higher"),
    Guardrail(name="fallbacks", worse="higher"),
    Guardrail(name="coverage", worse="lower", tolerated=0.1),
    Guardrail(name="revenue", worse="lower"),
)
_SCALE = 0.1  # of the value of both arms: the relative harm that is found soonest


def check_guardrails(
    control: Mapping[str, UserSums],
    treatment: Mapping[str, UserSums],
    *,
    guardrails: Sequence[Guardrail] = GUARDRAILS,
    alpha: float = 0.05,
) -> tuple[GuardrailCheck, ...]:
    """Check the guardrails that both arms have sums for, by name."""
    measured = [one for one in guardrails if one.name in control and one.name in treatment]
    checks = [
        _check(one, control[one.name], treatment[one.name], alpha=alpha / len(measured))
        for one in measured
    ]
    return tuple(check for check in checks if check is not None)


def _check(
    guardrail: Guardrail, control: UserSums, treatment: UserSums, *, alpha: float
) -> GuardrailCheck | None:
    found = difference(control, treatment, adjust=False)
    if found is None:
        return None
    value, both = mean_reward(control), mean_reward(control + treatment)
    interval = interval_at_all_times(found, scale=_SCALE * abs(both), alpha=alpha)
    tolerated = max(guardrail.tolerated * abs(value), guardrail.floor)
    if guardrail.worse == "higher":
        is_harmed = interval.low > tolerated
    else:
        is_harmed = interval.high < -tolerated
    return GuardrailCheck(
        name=guardrail.name,
        control=value,
        treatment=mean_reward(treatment),
        interval=interval,
        is_harmed=is_harmed,
    )
