"""Measure an experiment: read what is new, and add up what its visitors did."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from cron.epoch import micros
from cron.experiment import Experiment
from cron.experiments.catalogue_growth import compare_at_equal_size
from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserSums
from cron.journal.journal import Journal
from cron.ledger import experiment_day_rows, experiment_rows
from cron.ledger.experiment_day_rows import NO_SUMS
from cron.ledger.experiment_rows import MeasuredArms
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.settings.tree import RewardSettings
from cron.visitor_days.divided import read_divided
from cron.visitor_days.interleaved import read_interleaved
from cron.visitor_days.reading import Measuring, shown_by_arm


def measure(
    journal: Journal, ledger: Ledger, experiment: Experiment, reward: RewardSettings, lease: Lease
) -> MeasuredArms:
    """Return the sums of an experiment's arms; raise as reading the journal, and LeaseLost.

    Only the weights of `reward` count, or those of the experiment, and for interleaved lists the
    window.
    """
    weights = experiment.draft.reward or reward.weights
    reward = replace(reward, weights=weights, value_weight=0.0, dwell_weight=0.0)
    measuring = Measuring(
        journal=journal, ledger=ledger, experiment=experiment, reward=reward, lease=lease
    )
    if experiment.draft.kind == "interleaving":
        read_interleaved(measuring)
    else:
        read_divided(measuring)
    return add_up(ledger, experiment, ledger.now())


def add_up(ledger: Ledger, experiment: Experiment, at: datetime) -> MeasuredArms:
    """Return the sums at a time over the visitors whose rows there are."""
    draft, name = experiment.draft, experiment.name
    names = [arm.name for arm in draft.arms]
    preference: UserSums | None = None
    if draft.kind == "interleaving":
        sums, preference = experiment_day_rows.sums_of_teams(ledger, name, second=names[1])
        metrics: Sequence[str] = ("coverage",)
    else:
        sums = experiment_day_rows.sums_by_arm(ledger, name, now_us=micros(at))
        metrics = ("fallbacks", "coverage", "revenue")
    shown = (one.shown for one in experiment_day_rows.days(ledger, name).values())
    counts = [list(times.values()) for times in shown_by_arm(shown, names)]
    arms = []
    for arm in draft.arms:
        found = sums.get(arm.name, NO_SUMS)
        guardrails = {metric: getattr(found, metric) for metric in metrics}
        arms.append(
            ArmSums(name=arm.name, share=arm.share, reward=found.reward, guardrails=guardrails)
        )
    return MeasuredArms(
        at=at,
        arms=tuple(arms),
        explored=dict(zip(names, compare_at_equal_size(counts), strict=True)),
        preference=preference,
    )


def forget_visitors(ledger: Ledger, visitor_keys: Collection[str], *, lease: Lease) -> None:
    """Delete what is kept of forgotten users, also from the sums of experiments that ended."""
    for name in experiment_day_rows.forget(ledger, visitor_keys, lease=lease):
        experiment = next((one for one in experiment_rows.every(ledger) if one.name == name), None)
        measured = experiment_rows.measured_arms(ledger, name)
        if experiment is None or measured is None:
            continue
        left = add_up(ledger, experiment, measured.at)
        experiment_rows.store_measured(ledger, name, replace(left, seconds=measured.seconds))
