"""A progress record that cannot be written does not fail the training."""

from __future__ import annotations

from pathlib import Path

from trainer.progress import Progress


def test_progress_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "progress.json").mkdir()
    progress = Progress(tmp_path)
    progress.phase("train", 2)
    progress.end()
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]
