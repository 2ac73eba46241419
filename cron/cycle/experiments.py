"""Measure the running experiments after each collection, and stop those that have ended.

An experiment is stopped when its arms do not have their shares of the users, when every arm is
decided, or when it does harm. Its lists are then what they were before it; a person decides whether
the winner's rules become the placement's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import pyarrow as pa

from cron.cycle.experiment_users import (
    SLATE_COLUMNS,
    add_rewards,
    add_rewards_before,
    arm_sums,
    explored_items,
    users_of_slates,
)
from cron.epoch import micros
from cron.errors import FreshetError
from cron.experiment import Experiment
from cron.experiment_errors import ExperimentRefused
from cron.experiments.outcome import Outcome
from cron.journal.journal import Journal
from cron.ledger import experiment_rows
from cron.ledger.experiment_rows import MeasuredArms
from cron.ledger.ledger import Ledger
from cron.serving.experiment_reports import judge_measured

MIN_AGE_S = 60.0  # all lists of an experiment are read, so not at every turn of a busy shop
STATISTICS = "its statistics"
_PART_RECORDS = 200_000
_PART_USERS = 2_000
_EVENT_COLUMNS = ("kind", "user_id", "type", "at_us", "value")

log = logging.getLogger(__name__)


def measure_experiments(
    ledger: Ledger, journal: Journal, weights: Mapping[str, float], *, min_age_s: float = 0.0
) -> None:
    """Measure all running experiments and store the results; stop those that have ended.

    `weights` are those of the event types where an experiment has none of its own.
    One that was measured less than `min_age_s` ago is left out. What cannot be read now is measured
    at the next turn.
    """
    for experiment in experiment_rows.running(ledger):
        last = experiment_rows.measured_arms(ledger, experiment.name)
        if last is not None and (ledger.now() - last.at).total_seconds() < min_age_s:
            continue
        try:
            measured = measure(journal, experiment, weights, ledger=ledger)
        except FreshetError as error:
            extra = {"experiment": experiment.name, "why": str(error)}
            log.warning("experiment not measured", extra=extra)
            continue
        experiment_rows.store_measured(ledger, experiment.name, measured)
        answers = experiment_rows.answers(ledger, experiment.name)
        outcome = judge_measured(experiment, measured, answers)
        if outcome.state != "undecided":
            _stop(ledger, experiment, outcome)


def measure(
    journal: Journal, experiment: Experiment, weights: Mapping[str, float], *, ledger: Ledger
) -> MeasuredArms:
    """Return the sums of an experiment's arms; raise as reading the journal."""
    now = ledger.now()
    slates = journal.slates.tables_since(experiment.started_at, columns=list(SLATE_COLUMNS))
    users = users_of_slates(experiment.name, slates)
    weights = experiment.draft.reward or weights
    for events in _events_after(journal, experiment.after_seq):
        add_rewards(users, events, weights)
    numbers = (1, journal.last_seq)
    for user_ids in _parts(sorted(users)):
        add_rewards_before(users, journal.by_user.of(user_ids, numbers), weights)
    shares = {arm.name: arm.share for arm in experiment.draft.arms}
    return MeasuredArms(
        at=now,
        arms=arm_sums(users.values(), shares, now_us=micros(now)),
        explored=explored_items(users.values(), list(shares)),
    )


def _stop(ledger: Ledger, experiment: Experiment, outcome: Outcome) -> None:
    try:
        experiment_rows.stop(
            ledger, experiment.name, by=STATISTICS, why=outcome.reason, winner=outcome.winner
        )
    except ExperimentRefused:
        return  # somebody stopped it meanwhile
    extra = {"experiment": experiment.name, "state": outcome.state, "why": outcome.reason}
    log.info("experiment ended", extra=extra)


def _events_after(journal: Journal, after_seq: int) -> Iterator[pa.Table]:
    for first in range(after_seq + 1, journal.last_seq + 1, _PART_RECORDS):
        last = min(first + _PART_RECORDS - 1, journal.last_seq)
        yield journal.read(first, last, columns=_EVENT_COLUMNS)


def _parts(user_ids: Sequence[str]) -> Iterator[list[str]]:
    left = iter(user_ids)
    while part := list(islice(left, _PART_USERS)):
        yield part
