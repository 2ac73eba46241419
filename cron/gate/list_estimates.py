"""What lists of the past say: would a candidate's earn less than the live release's?

The estimates come from `cron.evaluation`, which the gate does not know; they are values here.
`cron.cycle.list_evaluation` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cron.gate.wording import Against, model_name, signed_text, verdict_word
from cron.lineage import Reason
from cron.settings.tree import OffPolicySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ListValue:
    """What the first places of a list earn on average, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEstimate:
    """The estimates by one estimator; without `candidate` the logs cannot say, and `reason` why.

    `difference` is the candidate's value minus the live release's, from the same resamples.
    `effective_size` is how many of the candidate's own lists the log is worth.
    """

    estimator: str
    candidate: ListValue | None = None
    live: ListValue | None = None
    difference: ListValue | None = None
    effective_size: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEvidence:
    """The estimates from lists of panel users; `num_places` counts from the top of a list.

    With `has_later_rewards`, a choice counts with what its visitor's later lists earned. With
    `learned_lists`, the candidate was trained on what lists had led to.
    """

    num_lists: int
    num_users: int
    num_places: int
    estimates: Sequence[ListEstimate]
    has_later_rewards: bool = False
    learned_lists: bool = False


def list_reasons(
    evidence: ListEvidence | None, settings: OffPolicySettings, against: Against
) -> list[Reason]:
    """Return a reason for each estimate. They refuse only with mode "judge", and only together.

    A candidate is refused if every estimate that there is says that its lists surely earn less than
    the live release's, by more than the tolerated harm.
    """
    if evidence is None:
        return []
    known = [one for one in evidence.estimates if one.difference is not None]
    is_harm = bool(known) and all(_does_harm(one, settings.max_harm) for one in known)
    is_refused = is_harm and settings.mode == "judge"
    reasons = []
    for one in evidence.estimates:
        if one.difference is None:
            reasons.append(_unknown_reason(one, evidence))
        else:
            reason = _known_reason(one, evidence, settings, against, is_refused=is_refused)
            reasons.append(reason)
    return reasons


def surely_earns_more(evidence: ListEvidence | None, settings: OffPolicySettings) -> bool:
    """Return whether lists let a candidate be worse at next choices, because it earns more.

    Only one that learned from lists is allowed that, with mode "judge", and only if every estimate
    that there is says so.
    """
    if evidence is None or not may_differ_from_choices(evidence, settings):
        return False
    bounds = [one.difference.low for one in evidence.estimates if one.difference is not None]
    return bool(bounds) and min(bounds) > 0


def may_differ_from_choices(evidence: ListEvidence | None, settings: OffPolicySettings) -> bool:
    """Return whether a candidate learned from lists and lists judge it."""
    return evidence is not None and evidence.learned_lists and settings.mode == "judge"


def list_metrics(evidence: ListEvidence | None) -> dict[str, float]:
    """Return the estimated values by name."""
    metrics: dict[str, float] = {}
    for one in evidence.estimates if evidence is not None else ():
        if one.candidate is not None and one.live is not None:
            metrics[f"lists_{one.estimator}_candidate"] = one.candidate.value
            metrics[f"lists_{one.estimator}_live"] = one.live.value
    return metrics


def _does_harm(estimate: ListEstimate, max_harm: float) -> bool:
    assert estimate.difference is not None
    return estimate.difference.high < _limit(estimate, max_harm)


def _limit(estimate: ListEstimate, max_harm: float) -> float:
    assert estimate.live is not None
    return -max_harm * abs(estimate.live.value)


def _known_reason(
    estimate: ListEstimate,
    evidence: ListEvidence,
    settings: OffPolicySettings,
    against: Against,
    *,
    is_refused: bool,
) -> Reason:
    mine, theirs, apart = estimate.candidate, estimate.live, estimate.difference
    assert mine is not None
    assert theirs is not None
    assert apart is not None
    limit = _limit(estimate, settings.max_harm)
    end = verdict_word(not is_refused) if settings.mode == "judge" else "only reported"
    later = " with later rewards" if evidence.has_later_rewards else ""
    text = (
        f"lists of the past, by {estimate.estimator}: {_places(evidence)} would earn "
        f"{_amount(mine)}{later}, those of {model_name('live', against)} {_amount(theirs)}; "
        f"difference {signed_text(apart.value)} ({signed_text(apart.low)} to "
        f"{signed_text(apart.high)}), from {evidence.num_lists:,} lists of {evidence.num_users:,} "
        f"panel users, worth {estimate.effective_size:,.0f}; refused if surely below "
        f"{signed_text(limit)}: {end}"
    )
    return Reason(
        name=_name(estimate),
        ok=not is_refused,
        text=text,
        value=apart.value,
        low=apart.low,
        high=apart.high,
        limit=limit,
    )


def _unknown_reason(estimate: ListEstimate, evidence: ListEvidence) -> Reason:
    text = (
        f"lists of the past, by {estimate.estimator}: unknown what the candidate's would earn, "
        f"since {estimate.reason} ({evidence.num_lists:,} lists of {evidence.num_users:,} panel "
        "users)"
    )
    return Reason(name=_name(estimate), ok=True, text=text)


def _name(estimate: ListEstimate) -> str:
    return f"lists_{estimate.estimator}"


def _places(evidence: ListEvidence) -> str:
    num = evidence.num_places
    return "the first place" if num == 1 else f"the first {num} places"


def _amount(value: ListValue) -> str:
    return f"{value.value:.3g} ({value.low:.3g} to {value.high:.3g})"
