"""The newest trials for `status` and the status page: the gate, the canary and the shadow.

The gate's reasons are those of the run; while that is open, those that its steps have stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from cron.experiments.differences import mean_reward
from cron.experiments.outcome import ArmComparison, ArmSums, ComparisonRules, judge
from cron.gate.verdict import Verdict
from cron.ledger import experiment_rows, run_rows, trial_rows
from cron.ledger.experiment_rows import AnswerCounts
from cron.ledger.ledger import Ledger
from cron.lineage import Reason, Run
from cron.metrics.measured_arms import with_answers
from cron.trial import CandidateTrial, ShadowCounts
from trainer.codec import decode

_OWN = ("canary", "shadow")  # reasons of the trial itself


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialArm:
    """An arm of a canary: its users, their reward per user and day, and its answers."""

    name: str
    share: float
    users: int
    reward: float | None
    answers: int
    errors: int
    mean_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReport:
    """A trial as it is known now.

    `difference`, `low` and `high` are those of the rewards, as a share of the control's; None
    before there is anything to compare. `reasons` are the gate's.
    """

    trial: CandidateTrial
    reasons: tuple[Reason, ...]
    measured_at: datetime | None
    arms: tuple[TrialArm, ...]
    difference: float | None
    low: float | None
    high: float | None
    shadow: ShadowCounts


def newest_trials(ledger: Ledger, limit: int) -> tuple[TrialReport, ...]:
    """Report on the newest trials, newest first."""
    return tuple(_report(ledger, trial) for trial in trial_rows.newest(ledger, limit))


def trial_json(report: TrialReport) -> dict[str, object]:
    """Render a report; times are ISO 8601."""
    trial, shadow, end = report.trial, report.shadow, report.trial.end
    return {
        "version": trial.version,
        "run_id": trial.run_id,
        "live": trial.live,
        "canary_share": trial.canary_share,
        "shadow_share": trial.shadow_share,
        "started_at": trial.started_at.isoformat(),
        "ended_at": None if end is None else end.at.isoformat(),
        "verdict": None if end is None else end.verdict,
        "why": None if end is None else end.why,
        "gate": [msgspec.to_builtins(reason) for reason in report.reasons],
        "measured_at": None if report.measured_at is None else report.measured_at.isoformat(),
        "arms": [_arm_json(arm) for arm in report.arms],
        "difference": report.difference,
        "low": report.low,
        "high": report.high,
        "shadow": {
            "compared": shadow.num_compared,
            "errors": shadow.num_errors,
            "dropped": shadow.num_dropped,
            "overlap": shadow.mean_overlap,
            "rank_biased_overlap": shadow.mean_rank_overlap,
            "latency_ratio": shadow.latency_ratio,
        },
    }


def _report(ledger: Ledger, trial: CandidateTrial) -> TrialReport:
    measured = trial_rows.measured_arms(ledger, trial.version)
    answers = experiment_rows.answers(ledger, trial.name)
    sums = () if measured is None else with_answers(measured, answers)
    difference, low, high = _relative(sums)
    return TrialReport(
        trial=trial,
        reasons=_gate_reasons(ledger, trial),
        measured_at=None if measured is None else measured.at,
        arms=tuple(_arm(arm, answers) for arm in sums),
        difference=difference,
        low=low,
        high=high,
        shadow=trial_rows.shadow(ledger, trial.version),
    )


def _gate_reasons(ledger: Ledger, trial: CandidateTrial) -> tuple[Reason, ...]:
    """Return the reasons of the gate; none for a run that is too old to be kept."""
    run = run_rows.find(ledger, trial.run_id)
    if run is None:
        return ()
    if run.outcome is not None:
        # the first is why the run was started
        return tuple(reason for reason in run.reasons[1:] if reason.name not in _OWN)
    return (*_step_reasons(ledger, run, "judge"), *_step_reasons(ledger, run, "probe"))


def _step_reasons(ledger: Ledger, run: Run, step: str) -> tuple[Reason, ...]:
    text = run_rows.step_output(ledger, run.run_id, step)
    return decode(text, Verdict).reasons if text is not None else ()


def _relative(arms: tuple[ArmSums, ...]) -> tuple[float | None, float | None, float | None]:
    """Return the difference and its interval, by the control's reward."""
    comparison = _comparison(arms)
    mean = abs(mean_reward(arms[0].reward)) if arms else 0.0
    if comparison is None or mean == 0 or math.isinf(comparison.interval.low):
        return None, None, None
    interval = comparison.interval
    return comparison.estimate.value / mean, interval.low / mean, interval.high / mean


def _comparison(arms: tuple[ArmSums, ...]) -> ArmComparison | None:
    if not arms:
        return None
    return next(iter(judge(arms, ComparisonRules()).comparisons), None)


def _arm(arm: ArmSums, answers: Mapping[str, AnswerCounts]) -> TrialArm:
    counts = answers.get(arm.name, AnswerCounts())
    has_users = arm.reward.num_users > 0
    return TrialArm(
        name=arm.name,
        share=arm.share,
        users=arm.reward.num_users,
        reward=mean_reward(arm.reward) if has_users else None,
        answers=counts.num_answers,
        errors=counts.num_errors,
        mean_ms=1000 * counts.seconds / counts.num_answers if counts.num_answers else None,
    )


def _arm_json(arm: TrialArm) -> dict[str, object]:
    return {name: getattr(arm, name) for name in TrialArm.__dataclass_fields__}
