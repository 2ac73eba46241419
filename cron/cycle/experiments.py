"""Measure the running experiments after each collection, and stop those that have ended.

An experiment is stopped when its arms do not have their shares of the users, when every arm is
decided, when one does harm, or when its first slates are about to be deleted. Its lists are then
what they were before it; a person decides whether the winner's rules become the placement's.

A measurement reads what is new since the last one. One that takes long is repeated less often, so
that it takes a twentieth of the worker's time at most.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import datetime, timedelta

from cron.errors import FreshetError, LeaseLost
from cron.experiment import Experiment
from cron.experiment_errors import ExperimentRefused
from cron.journal.journal import Journal
from cron.ledger import experiment_day_rows, experiment_rows
from cron.ledger.experiment_rows import MeasuredArms
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.metrics.measured_arms import judge_measured
from cron.settings.tree import RewardSettings
from cron.visitor_days.measure import measure

MIN_AGE_S = 60.0  # not at every turn of a busy shop, since all rows of visitors are added up
QUICK_S = 3.0  # what takes no longer is measured again after MIN_AGE_S
# what visitors do much later has little to do with lists that they no longer get
STOPPED_WITHIN = timedelta(hours=1)
STATISTICS = "its statistics"
RETENTION = "slates.keep_days"
_PAUSES = 20  # how many times as long as a measurement the next one is not due

log = logging.getLogger(__name__)


def measure_experiments(
    ledger: Ledger,
    journal: Journal,
    reward: RewardSettings,
    lease: Lease,
    *,
    keep: timedelta,
    min_age_s: float = 0.0,
) -> None:
    """Measure the running experiments and store the results; stop those that have ended.

    The weights of `reward` are those of the event types where an experiment has none of its own,
    and `keep` is how long slates are kept. One that was measured less than `min_age_s` ago is left
    out. What cannot be read now is measured at the next turn. Raise LeaseLost.
    """
    experiment_day_rows.delete_unneeded(ledger, ended_before=ledger.now() - keep, lease=lease)
    _measure_stopped(ledger, journal, reward, lease)
    for experiment in experiment_rows.running(ledger):
        now, last = ledger.now(), experiment_rows.measured_arms(ledger, experiment.name)
        is_too_old = now - experiment.started_at >= keep
        if not is_too_old and not is_due(last, now, min_age_s=min_age_s):
            continue
        measured = _measure(ledger, journal, experiment, reward, lease)
        if measured is None:
            continue
        answers = experiment_rows.answers(ledger, experiment.name)
        outcome = judge_measured(experiment, measured, answers)
        if outcome.state != "undecided":
            _stop(ledger, experiment, by=STATISTICS, why=outcome.reason, winner=outcome.winner)
        elif is_too_old:
            why = f"it has run for as long as slates are kept ({outcome.reason})"
            _stop(ledger, experiment, by=RETENTION, why=why, winner=None)


def _measure_stopped(
    ledger: Ledger, journal: Journal, reward: RewardSettings, lease: Lease
) -> None:
    """Measure experiments that a person has just stopped once more, so that nothing is missing."""
    for experiment in experiment_rows.every(ledger):
        end = experiment.end
        if end is None or end.by in (STATISTICS, RETENTION):
            continue
        if not timedelta(0) <= ledger.now() - end.at < STOPPED_WITHIN:
            continue
        last = experiment_rows.measured_arms(ledger, experiment.name)
        if last is None or last.at < end.at:
            _measure(ledger, journal, experiment, reward, lease)


def _measure(
    ledger: Ledger,
    journal: Journal,
    experiment: Experiment,
    reward: RewardSettings,
    lease: Lease,
) -> MeasuredArms | None:
    """Measure an experiment and store the result; return None if that is not possible now."""
    began = time.perf_counter()
    try:
        measured = measure(journal, ledger, experiment, reward, lease)
    except LeaseLost:
        raise
    except FreshetError as error:
        extra = {"experiment": experiment.name, "why": str(error)}
        log.warning("experiment not measured", extra=extra)
        return None
    measured = replace(measured, seconds=time.perf_counter() - began)
    experiment_rows.store_measured(ledger, experiment.name, measured)
    return measured


def is_due(last: MeasuredArms | None, now: datetime, *, min_age_s: float = 0.0) -> bool:
    """Return whether an experiment is measured again, by how long that took the last time."""
    if last is None:
        return True
    age_s = (now - last.at).total_seconds()
    pause_s = _PAUSES * last.seconds if last.seconds > QUICK_S else 0.0
    # a clock that was set back must not put it off
    return age_s < 0 or age_s >= max(min_age_s, pause_s)


def _stop(ledger: Ledger, experiment: Experiment, *, by: str, why: str, winner: str | None) -> None:
    try:
        experiment_rows.stop(ledger, experiment.name, by=by, why=why, winner=winner)
    except ExperimentRefused:
        return  # somebody stopped it meanwhile
    log.info("experiment ended", extra={"experiment": experiment.name, "why": why})
