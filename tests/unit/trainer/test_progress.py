"""A progress record that cannot be written does not fail the training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.candidate_files import PROGRESS
from trainer.progress import Progress


def test_progress_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "progress.json").mkdir()
    progress = Progress(tmp_path)
    progress.phase("train", 2)
    progress.end()
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]


def test_it_says_where_and_how_fast_a_training_runs(tmp_path: Path) -> None:
    for starts in (1, 2):
        progress = Progress(tmp_path, {"ranks": 2, "device": "cpu"})
        progress.phase("train", 10)
        progress.go_on(4, 12)
        found = json.loads((tmp_path / PROGRESS).read_text())
        assert (found["ranks"], found["device"], found["starts"]) == (2, "cpu", starts)
        assert (found["done"], found["total"]) == (4, 12), "what an earlier start has done"
        assert "left_s" not in found, "nothing was done yet"
        progress.step(7, 12, 0.5, num_events=300)
        progress.step(12, 12, 0.5, num_events=300)
        found = json.loads((tmp_path / PROGRESS).read_text())
        assert found["events_s"] > 0
        assert found["left_s"] == 0.0
        progress.end()


def test_a_log_has_the_phases_of_a_training(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for folder in (tmp_path, None):  # only the first rank has a folder
        progress = Progress(folder)
        progress.phase("read")
        progress.phase("train", 10)
        progress.step(1, 10)
        progress.end()
    assert capfd.readouterr().err.splitlines() == ["training: read", "training: train"]


def test_device_seconds_count_all_ranks_and_all_starts(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).write_text(json.dumps({"starts": 3, "device_s": 1000.0}))
    progress = Progress(tmp_path, {"ranks": 2, "device": "cpu"})
    progress.phase("train", 10)
    found = json.loads((tmp_path / PROGRESS).read_text())
    assert found["starts"] == 4
    assert 1000.0 <= found["device_s"] <= progress.device_s < 1100.0
    progress.end()


def test_progress_that_is_damaged_counts_from_the_start(tmp_path: Path) -> None:
    for damaged in ("", "[]", '{"starts": "x"}'):
        (tmp_path / PROGRESS).write_text(damaged)
        assert Progress(tmp_path).device_s < 100.0
