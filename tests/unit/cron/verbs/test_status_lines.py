"""What `status` says of a run in progress."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cron.lineage import Run
from cron.metrics.overview import RunProgress, read_progress
from cron.verbs.status import describe_run, step_of
from trainer.candidate_files import PROGRESS, partial_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RUN = Run(
    run_id=2,
    mode="full",
    outcome=None,
    reasons=(),
    metrics={},
    supersedes=None,
    version=None,
    started_at=NOW - timedelta(seconds=90),
    ended_at=None,
    seconds={"plan": 0.1, "snapshot": 0.5},
)
TRAINING = RunProgress(
    phase="train",
    done=30,
    total=120,
    loss=6.5,
    ranks=2,
    device="cpu",
    events_s=4_000.0,
    left_s=600.0,
)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (TRAINING, "4,000 events/s, 10 min left, 2 ranks on cpu"),
        (
            replace(TRAINING, ranks=1, starts=2),
            "10 min left, 1 rank on cpu, started again 1 time",
        ),
        (replace(TRAINING, ranks=1), "10 min left, cpu"),
        (replace(TRAINING, silent_s=42.0), "loss 6.500, 2 ranks on cpu, no progress for 42 s"),
    ],
)
def test_a_run_says_how_its_training_goes(progress: RunProgress, expected: str) -> None:
    """Speed and time left are those of a training that goes on, so a lost one has none."""
    said = describe_run(RUN, progress, at=NOW, step="training")
    assert said.startswith("run      2 (full), 90 s so far: train 25 %, loss 6.500, ")
    assert said.endswith(expected)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({}, "planning"),
        ({"plan": 0.1, "snapshot": 0.5}, "starting the training"),
        ({"plan": 0.1, "snapshot": 0.5, "train": 9.0}, "judging the candidate"),
    ],
)
def test_a_run_without_progress_names_its_step(seconds: dict[str, float], expected: str) -> None:
    run = replace(RUN, seconds=seconds)
    said = describe_run(run, None, at=NOW, step=step_of(run))
    assert said == f"run      2 (full), 90 s so far: {expected}"


def test_progress_has_the_age_of_its_last_change(tmp_path: Path) -> None:
    file = partial_of(tmp_path / "2" / "candidate") / PROGRESS
    file.parent.mkdir(parents=True)
    file.write_text('{"phase": "train", "done": 3, "total": 8, "loss": null}')
    os.utime(file, (NOW.timestamp() - 20, NOW.timestamp() - 20))
    found = read_progress(tmp_path, 2, now=NOW)
    assert found == RunProgress(phase="train", done=3, total=8, loss=None, silent_s=20.0)
