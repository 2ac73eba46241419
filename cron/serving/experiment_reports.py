"""Start an experiment with everything that it names, and report what it says so far.

The command line and the gateway's API use the same two functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cron.errors import FreshetError
from cron.experiment import (
    Experiment,
    ExperimentDraft,
    check_experiment_name,
    needed_by,
    placements_of,
)
from cron.experiment_errors import ExperimentNameInUse, SlatesNotRecorded
from cron.experiments.differences import reward_estimate
from cron.experiments.outcome import ArmSums, Outcome
from cron.ledger import experiment_rows, placement_rows, release_rows, side_rows
from cron.ledger.experiment_rows import AnswerCounts
from cron.ledger.ledger import Ledger
from cron.metrics.measured_arms import judge_measured
from cron.settings.tree import Settings
from cron.trial import is_trial_name
from recommender.records.excerpt import excerpt
from recommender.requests.wire import BadRequest

_NUM_SHOWN = 20  # names in a refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmReport:
    """An arm: its users, their reward per user and day, and its answers.

    `explored` is how many items it shows in as many places of lists as the arm with the fewest.
    """

    name: str
    share: float
    num_users: int
    reward: float | None
    explored: float | None
    num_answers: int
    num_errors: int
    mean_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentReport:
    """An experiment, and what was measured of it last; `outcome` is None before the first time."""

    experiment: Experiment
    measured_at: datetime | None
    arms: tuple[ArmReport, ...]
    outcome: Outcome | None


def start_experiment(
    ledger: Ledger, settings: Settings, name: str, draft: ExperimentDraft, *, by: str
) -> Experiment:
    """Start an experiment; raise BadRequest for a placement or a release that there is not.

    The releases of arms are loaded beside the live one. Raise SlatesNotRecorded, NoArchive,
    TooManySideVersions, and as `experiment_rows.start`.
    """
    if not settings.slates.record:
        raise SlatesNotRecorded
    check_experiment_name(name, "name")
    if is_trial_name(name):
        expected = "another name, since candidates on trial have such names"
        raise BadRequest("name", found=name, expected=expected)
    by_name = {**settings.placements, **placement_rows.every(ledger)}
    for placement in placements_of(draft):
        if placement not in by_name:
            names = ", ".join(sorted(by_name)[:_NUM_SHOWN])
            expected = f"one of {names}" if names else "no placement, since there are none"
            raise BadRequest("placement", found=excerpt(placement), expected=expected)
    _check_releases(ledger, draft)
    if any(one.name == name for one in experiment_rows.every(ledger)):
        raise ExperimentNameInUse(name)
    try:
        for version in sorted({arm.release for arm in draft.arms if arm.release is not None}):
            limit = settings.release.max_side_versions
            side_rows.add(ledger, version, needed_by(name), limit=limit)
        return experiment_rows.start(ledger, name, draft, by=by)
    except FreshetError:
        side_rows.remove(ledger, needed_by(name))
        raise


def _check_releases(ledger: Ledger, draft: ExperimentDraft) -> None:
    for place, arm in enumerate(draft.arms):
        if arm.release is not None and not release_rows.is_release(ledger, arm.release):
            newest = [str(one.version) for one in release_rows.newest_releases(ledger, _NUM_SHOWN)]
            expected = f"a release, such as {', '.join(newest) or 'none yet'}"
            raise BadRequest(f"arms[{place}].release", found=str(arm.release), expected=expected)


def report_on(ledger: Ledger, experiment: Experiment) -> ExperimentReport:
    """Report on an experiment by what was measured last."""
    measured = experiment_rows.measured_arms(ledger, experiment.name)
    answers = experiment_rows.answers(ledger, experiment.name)
    sums = {} if measured is None else {arm.name: arm for arm in measured.arms}
    explored = {} if measured is None else measured.explored
    arms = tuple(
        _arm_report(
            arm.name,
            arm.share,
            sums.get(arm.name),
            answers.get(arm.name, AnswerCounts()),
            explored.get(arm.name),
        )
        for arm in experiment.draft.arms
    )
    return ExperimentReport(
        experiment=experiment,
        measured_at=None if measured is None else measured.at,
        arms=arms,
        outcome=None if measured is None else judge_measured(experiment, measured, answers),
    )


def _arm_report(
    name: str, share: float, sums: ArmSums | None, counts: AnswerCounts, explored: float | None
) -> ArmReport:
    estimate = None if sums is None else reward_estimate(sums.reward)
    num_answers = counts.num_answers
    return ArmReport(
        name=name,
        share=share,
        num_users=0 if sums is None else sums.reward.num_users,
        reward=None if estimate is None else estimate.value,
        explored=explored,
        num_answers=num_answers,
        num_errors=counts.num_errors,
        mean_ms=1000 * counts.seconds / num_answers if num_answers else None,
    )
