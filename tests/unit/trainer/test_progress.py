"""The trainer's progress: a side record that never fails a training."""

from __future__ import annotations

from pathlib import Path

from trainer.progress import Progress


def test_progress_that_cannot_be_written_stops_no_training(tmp_path: Path) -> None:
    (tmp_path / "progress.json.tmp").mkdir()
    progress = Progress(tmp_path)
    progress.phase("train", 2)
    progress.end()
    assert not (tmp_path / "progress.json").exists()
