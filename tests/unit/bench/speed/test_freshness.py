"""What the freshness bench reports if there is nothing to measure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bench.speed.freshness import published_runs
from cron.lineage import Outcome, Reason, Run


def run(run_id: int, outcome: Outcome, *reasons: Reason) -> Run:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Run(
        run_id=run_id,
        mode="update",
        outcome=outcome,
        reasons=reasons,
        metrics={},
        supersedes=1,
        version=None,
        started_at=at,
        ended_at=at,
    )


def test_refused_updates_are_reported_with_their_reasons() -> None:
    slow = Reason(name="latency", ok=False, text="p99 latency 900 ms, limit 250 ms: refused")
    fine = Reason(name="finite", ok=True, text="all weights are finite")
    with pytest.raises(
        SystemExit, match="run 7 refused: p99 latency 900 ms, limit 250 ms: refused"
    ) as caught:
        published_runs([run(7, "refused", fine, slow)])
    assert "finite" not in str(caught.value)
    with pytest.raises(SystemExit, match="no update started"):
        published_runs([])


def test_published_updates_are_measured_next_to_refused_ones() -> None:
    good = run(8, "published")
    assert published_runs([run(7, "refused"), good]) == [good]
