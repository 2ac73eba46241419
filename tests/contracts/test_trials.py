"""Trials in the ledger, on each database."""

from __future__ import annotations

from dataclasses import replace

from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserSums
from cron.ledger import experiment_rows, holds, switches, trial_rows
from cron.ledger.experiment_rows import AnswerCounts, MeasuredArms
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.trial import CandidateTrial, ShadowCounts
from tests.contracts.ledgers import EMBEDDED, NOW, ON_SERVERS
from tests.releases import publish_releases

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures

TRIAL = CandidateTrial(
    version=3,
    run_id=3,
    live=2,
    canary_share=0.1,
    shadow_share=0.25,
    after_seq=17,
    started_at=NOW,
)


def test_a_trial_is_started_once_and_ended_once(ledger: Ledger, lease: Lease) -> None:
    assert trial_rows.running(ledger) is None
    assert trial_rows.start(ledger, TRIAL, lease=lease) == TRIAL
    again = replace(TRIAL, canary_share=0.5)
    assert trial_rows.start(ledger, again, lease=lease) == TRIAL
    assert trial_rows.running(ledger) == TRIAL
    for verdict in ("taken_back", "promoted"):
        trial_rows.end(ledger, 3, verdict, f"{verdict} by a test", lease=lease)
    found = trial_rows.find(ledger, 3)
    assert found is not None
    assert found.end is not None
    assert (found.end.verdict, found.end.why) == ("taken_back", "taken_back by a test")
    assert trial_rows.running(ledger) is None
    assert trial_rows.newest(ledger, 5) == (found,)


def test_gateways_ask_the_candidate_only_beside_its_live_one(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    trial_rows.start(ledger, TRIAL, lease=lease)
    assert trial_rows.answering(ledger) == TRIAL
    holds.pause(ledger, "a test")
    assert trial_rows.answering(ledger) is None
    holds.resume(ledger)
    assert trial_rows.answering(ledger) == TRIAL
    begun = switches.begin_promote(ledger, 1)
    assert trial_rows.answering(ledger) is None
    assert switches.end(ledger, begun)
    assert trial_rows.answering(ledger) is None


def test_what_was_measured_is_replaced(ledger: Ledger, lease: Lease) -> None:
    trial_rows.start(ledger, TRIAL, lease=lease)
    assert trial_rows.measured_arms(ledger, 3) is None
    arm = ArmSums(name="control", share=0.9, reward=UserSums(num_users=3, r=2.0))
    for seconds in (1.0, 2.0):
        measured = MeasuredArms(at=NOW, seconds=seconds, arms=(arm,), explored={"control": 7.0})
        trial_rows.store_measured(ledger, 3, measured, lease=lease)
    assert trial_rows.measured_arms(ledger, 3) == measured


def test_what_shadows_answered_adds_up(ledger: Ledger) -> None:
    assert trial_rows.shadow(ledger, 3) == ShadowCounts()
    one = ShadowCounts(num_compared=2, num_dropped=1, overlap=1.5, live_seconds=1.0, seconds=3.0)
    for _ in range(2):
        trial_rows.add_shadow(ledger, {3: one, 4: one})
    found = trial_rows.shadow(ledger, 3)
    assert (found.num_compared, found.num_dropped, found.mean_overlap) == (4, 2, 0.75)
    assert found.latency_ratio == 3.0


def test_old_trials_are_deleted_with_their_counts(ledger: Ledger, lease: Lease) -> None:
    numbers = range(1, trial_rows.KEPT + 3)
    for number in numbers:
        trial = replace(TRIAL, version=number)
        experiment_rows.add_answers(ledger, {(trial.name, "control"): AnswerCounts(num_answers=1)})
        trial_rows.add_shadow(ledger, {number: ShadowCounts(num_compared=1)})
        trial_rows.start(ledger, trial, lease=lease)
        trial_rows.end(ledger, number, "promoted", "good", lease=lease)
    kept = [one.version for one in trial_rows.newest(ledger, 1_000)]
    assert kept == sorted(numbers, reverse=True)[: trial_rows.KEPT + 1]
    assert trial_rows.shadow(ledger, 1) == ShadowCounts()
    assert experiment_rows.answers(ledger, replace(TRIAL, version=1).name) == {}
