"""The report of an evaluation: sentences for a person, or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from cron.evaluation.answered_slates import NotAnswered
from cron.evaluation.estimate import PolicyValue
from cron.evaluation.sensitivity import SensitivityBounds
from cron.verbs.evaluations.findings import Estimate, Findings
from cron.verbs.evaluations.hidden_choices import BoundedValue, Bounds
from cron.verbs.evaluations.served import EvaluatedSlates
from cron.verbs.table import count

_EXPLORE = (
    "switch exploration on with a `policy` in the placement, such as "
    '{"name": "plackett_luce", "temperature": 0.1}, and evaluate again after some days'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """An evaluation. Without slates to evaluate it has neither `findings` nor `bounded`."""

    policy: str
    lists: str  # which lists, in words
    served: EvaluatedSlates
    num_pinned: int  # slates of pins alone
    unanswered: Sequence[NotAnswered]
    findings: Findings | None
    bounded: BoundedValue | None = None


def text(evaluated: Evaluated) -> str:
    """Return the report as sentences."""
    lines = [_which(evaluated), *_left_out(evaluated)]
    findings = evaluated.findings
    if evaluated.bounded is not None:
        return "\n".join([*lines, "", *_bounds_lines(evaluated, evaluated.bounded)])
    if findings is None:
        lines.append(_nothing(evaluated.served))
        return "\n".join(lines)
    lines += ["", _as_served(findings), "", f"With {evaluated.policy}:"]
    lines += [f"  {one.sentence()}" for one in findings.estimates]
    notes = _notes(findings)
    return "\n".join([*lines, "", *notes] if notes else lines)


def as_json(evaluated: Evaluated) -> Mapping[str, object]:
    """Return the report as an object."""
    findings, served = evaluated.findings, evaluated.served
    shown: dict[str, object] = {
        "policy": evaluated.policy,
        "lists": evaluated.lists,
        "logged_policies": dict(served.by_policy),
        "left_out": {
            "fallbacks": served.num_fallbacks,
            "interleaved": served.num_interleaved,
            "without_user": served.num_without_user,
            "pins_alone": evaluated.num_pinned,
            "unanswered": len(evaluated.unanswered),
        },
        "evaluated": 0 if findings is None else findings.num_slates,
    }
    if evaluated.bounded is not None:
        bounded = evaluated.bounded
        bounds = [_bounds_json(one) for one in bounded.bounds]
        return {**shown, "served": {"mean": bounded.mean}, "bounds": bounds}
    if findings is None:
        return shown
    return {
        **shown,
        "users": findings.num_users,
        "served_before_live_release": findings.num_older,
        "served": {"mean": findings.mean, **_estimate_json(findings.served)},
        "estimates": [_estimate_json(one) for one in findings.estimates],
        "notes": _notes(findings),
    }


def _which(evaluated: Evaluated) -> str:
    served = evaluated.served
    policies = ", ".join(f"{name} ({num:,})" for name, num in sorted(served.by_policy.items()))
    num = sum(served.by_policy.values())
    line = f"{evaluated.lists}: {count(num, 'list')}"
    if num > len(served.slates):
        line += f", of which {len(served.slates):,} were drawn"
    return f"{line}; served by {policies}" if policies else line


def _left_out(evaluated: Evaluated) -> list[str]:
    served = evaluated.served
    found = (
        (served.num_fallbacks, "popular items while the model was away"),
        (served.num_interleaved, "items of two arms, interleaved"),
        (served.num_without_user, "no user"),
        (evaluated.num_pinned, "pins alone"),
    )
    parts = [f"{num:,} with {what}" for num, what in found if num]
    lines = [f"left out: {', '.join(parts)}"] if parts else []
    reasons = Counter(one.reason for one in evaluated.unanswered)
    lines += [f"left out: {num:,}, since {reason}" for reason, num in reasons.most_common(3)]
    return lines


def _nothing(served: EvaluatedSlates) -> str:
    """Return a sentence that says where there are lists, since a name may be misspelt."""
    named = {name: num for name, num in served.by_placement.items() if name is not None}
    places = [f"{name!r} ({num:,})" for name, num in sorted(named.items())]
    if num := served.by_placement.get(None, 0):
        places.append(f"no placement ({num:,})")
    if not places:
        return "There is nothing to evaluate: the worker has collected no lists of this time."
    return f"There is nothing to evaluate. The lists of this time are of {', '.join(places)}."


def _bounds_lines(evaluated: Evaluated, bounded: BoundedValue) -> list[str]:
    return [
        f"As served, an item in its place earned {bounded.mean:.4g}.",
        "",
        f"With {evaluated.policy}:",
        *(f"  {one.sentence()}" for one in bounded.bounds),
    ]


def _as_served(findings: Findings) -> str:
    origin = f"from {count(findings.num_slates, 'slate')} of {count(findings.num_users, 'user')}"
    served = findings.served
    if isinstance(served, PolicyValue) and served.interval is not None:
        interval = served.interval
        bounds = f"{interval.confidence:.0%} interval {interval.low:.4g} to {interval.high:.4g}"
        return f"As served, a slate earned {findings.mean:.4g} ({bounds}), {origin}."
    reason = "" if isinstance(served, PolicyValue) else f": {served.reason}"
    return f"As served, a slate earned {findings.mean:.4g}, {origin}; no interval{reason}."


def _notes(findings: Findings) -> list[str]:
    notes = []
    if findings.is_same_policy:
        notes.append(
            "The policy is the one that served: it would choose these lists with the same "
            "probabilities."
        )
    elif findings.all_certain:
        notes.append(
            "Nothing in these lists was left to chance, so they do not say what other lists would "
            f"earn. {findings.same_share:.2%} of the policy's lists are the served ones, which "
            f"contribute {findings.same_earned:.4g} to what its slate earns; the rest is unknown. "
            f"To know it, {_EXPLORE}."
        )
    if findings.num_older:
        notes.append(
            f"{findings.num_older:,} of the {findings.num_slates:,} slates were served before the "
            "live release: it may have learned from what their visitors did, so the estimates may "
            "be too high. A shorter --since leaves them out."
        )
    return notes


def _bounds_json(bounds: Bounds) -> dict[str, object]:
    return {"is_known": isinstance(bounds, SensitivityBounds), **asdict(bounds)}


def _estimate_json(estimate: Estimate) -> dict[str, object]:
    is_known = isinstance(estimate, PolicyValue)
    return {"is_known": is_known, **asdict(estimate)}
