"""The sums of an experiment's arms, with the guardrails that the gateways measure."""

from __future__ import annotations

from collections.abc import Mapping

from cron.experiment import Experiment
from cron.experiments.outcome import ArmSums, Outcome, judge, judge_interleaved
from cron.experiments.user_sums import UserSums
from cron.ledger.experiment_rows import AnswerCounts, MeasuredArms


def judge_measured(
    experiment: Experiment, measured: MeasuredArms, answers: Mapping[str, AnswerCounts]
) -> Outcome:
    """Judge an experiment by its users' rewards, and by what the gateways counted."""
    arms = with_answers(measured, answers)
    if measured.preference is not None:
        return judge_interleaved(arms, measured.preference, experiment.draft.rules)
    return judge(arms, experiment.draft.rules)


def with_answers(
    measured: MeasuredArms, answers: Mapping[str, AnswerCounts]
) -> tuple[ArmSums, ...]:
    """Return the arms with the guardrails on their answers, each of which is a unit of its own."""
    return tuple(_with_answers(arm, answers.get(arm.name)) for arm in measured.arms)


def _with_answers(arm: ArmSums, counts: AnswerCounts | None) -> ArmSums:
    if counts is None or counts.num_answers == 0:
        return arm
    num, errors = counts.num_answers, float(counts.num_errors)
    times = _means_of(num, counts.seconds, counts.seconds_2)
    guardrails = {**arm.guardrails, "latency": times, "errors": _means_of(num, errors, errors)}
    return ArmSums(name=arm.name, share=arm.share, reward=arm.reward, guardrails=guardrails)


def _means_of(num: int, total: float, squares: float) -> UserSums:
    return UserSums(num_users=num, r=total, n=float(num), rr=squares, nn=float(num), rn=total)
