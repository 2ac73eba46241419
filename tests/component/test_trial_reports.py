"""What `status`, its JSON and the metrics say about a candidate on trial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserTotals, sum_users
from cron.ledger import experiment_rows, lease_row, run_rows, trial_rows
from cron.ledger.experiment_rows import AnswerCounts, MeasuredArms
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.metrics import overview
from cron.metrics.ledger_metrics import LedgerMetrics
from cron.metrics.trial_reports import trial_json
from cron.verbs import status
from gateway.bodies.codec import codec_of
from gateway.bodies.trials import TrialStatus
from tests.component import story
from tests.releases import reason
from tests.trials import CANDIDATE, SHADOW, begin_trial


@dataclass(frozen=True, kw_only=True)
class TriedStory:
    """The story with a candidate on trial, measured ten minutes after its start."""

    ledger: Ledger
    lease: Lease
    run_id: int
    clock: story.StoryClock

    def look(self) -> overview.Overview:
        return overview.look_at_ledger(self.ledger, now=self.clock())


@pytest.fixture
def tried_story(tmp_path: Path) -> Iterator[TriedStory]:
    clock = story.StoryClock()
    with closing(story.tell(tmp_path / "ledger.db", now=clock)) as ledger:
        lease = lease_row.acquire(ledger, "a worker", 36_000, clock())
        assert lease is not None
        run_id = begin_trial(ledger, lease)
        clock.move(10)
        yield TriedStory(ledger=ledger, lease=lease, run_id=run_id, clock=clock)


def measure(tried_story: TriedStory) -> None:
    arms = tuple(
        ArmSums(
            name=name,
            share=share,
            reward=sum_users(
                UserTotals(reward=float(number % 10 < buyers)) for number in range(num_users)
            ),
        )
        for name, share, buyers, num_users in (("control", 0.9, 5, 900), ("candidate", 0.1, 6, 100))
    )
    measured = MeasuredArms(at=tried_story.clock() - timedelta(minutes=1), arms=arms, explored={})
    trial_rows.store_measured(tried_story.ledger, CANDIDATE, measured, lease=tried_story.lease)
    counts = AnswerCounts(num_answers=100, num_errors=2, seconds=1.0, seconds_2=0.01)
    experiment_rows.add_answers(tried_story.ledger, {("canary-4", "candidate"): counts})
    trial_rows.add_shadow(tried_story.ledger, {CANDIDATE: SHADOW})


def line_of(tried_story: TriedStory) -> str:
    (line,) = status._trial(tried_story.look())
    return line


def metrics_of(tried_story: TriedStory) -> dict[str, float]:
    metrics = LedgerMetrics(tried_story.ledger, tried_story.look, lambda: 0).collect()
    return {sample.name: sample.value for metric in metrics for sample in metric.samples}


def test_a_trial_that_was_not_measured_says_so(tried_story: TriedStory) -> None:
    assert line_of(tried_story) == (
        "trial    version 4, 10% of users and 5% of lists in the background, 10 min so far"
    )
    assert metrics_of(tried_story)["freshet_trial_seconds"] == 600
    assert "freshet_canary_difference" not in metrics_of(tried_story)


def test_a_running_trial_shows_gate_canary_and_shadow(tried_story: TriedStory) -> None:
    measure(tried_story)
    (report,) = tried_story.look().trials
    shown = codec_of(TrialStatus).validate_python(trial_json(report))
    assert [one.name for one in shown.gate] == ["ndcg_live"]
    assert [(arm.name, arm.users, arm.reward) for arm in shown.arms] == [
        ("control", 900, 0.5),
        ("candidate", 100, 0.6),
    ]
    assert shown.difference == pytest.approx(0.2)
    assert shown.low is not None
    assert shown.high is not None
    assert shown.low < 0.2 < shown.high
    assert (shown.arms[1].errors, shown.arms[1].mean_ms) == (2, 10.0)
    assert (shown.shadow.overlap, shown.shadow.latency_ratio) == (0.8, 1.5)
    assert "reward +20.0% (interval −" in line_of(tried_story)
    assert "lists overlap by 80%" in line_of(tried_story)
    found_metrics = metrics_of(tried_story)
    assert found_metrics["freshet_canary_difference"] == pytest.approx(0.2)
    assert found_metrics["freshet_shadow_overlap"] == 0.8
    assert found_metrics["freshet_shadow_latency_ratio"] == 1.5


def test_an_ended_trial_keeps_the_whole_verdict(tried_story: TriedStory) -> None:
    measure(tried_story)
    reasons = (reason("ndcg_live", ok=True), reason("canary", ok=False))
    ledger, lease = tried_story.ledger, tried_story.lease
    run_rows.finish(ledger, tried_story.run_id, "refused", reasons=reasons, metrics={}, lease=lease)
    trial_rows.end(ledger, CANDIDATE, "taken_back", "canary: a loss", lease=lease)
    (report,) = tried_story.look().trials
    assert [one.name for one in report.reasons] == ["ndcg_live"]
    assert line_of(tried_story).endswith("version 4 taken back, 0 s ago: canary: a loss")
    assert metrics_of(tried_story)["freshet_trial_seconds"] == 0
