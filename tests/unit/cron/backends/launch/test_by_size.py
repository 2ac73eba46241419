"""Small updates train on this machine and full retrains elsewhere."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

from cron.backends.launch.by_size import LauncherBySize
from cron.backends.launch.trainer_process import TrainerProcess
from cron.errors import Stopped
from tests.component.at_work import until
from trainer.config import TrainConfig

TABLE = {"full": "ray://head:10001?workers=1:4"}
MAKE = "import pathlib, sys; out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]); "


def launcher(tmp_path: Path, opened: list[str], end: str = "") -> LauncherBySize:
    """A launcher whose trainings write a report with the URL that was chosen."""

    def open_one(url: str) -> TrainerProcess:
        opened.append(url)
        work = f"{end}out.mkdir(); (out / 'report.json').write_text({url!r})"
        return TrainerProcess((sys.executable, "-c", MAKE + work), text_cache=tmp_path)

    return LauncherBySize(TABLE, otherwise="process:", open_one=open_one)


def snapshot(folder: Path, mode: str) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"mode": mode, "num_targets": 700}))
    return folder


def test_each_training_runs_where_the_table_says(tmp_path: Path) -> None:
    opened: list[str] = []
    by_size = launcher(tmp_path, opened)
    for number, (mode, url) in enumerate(
        [("update", "process:"), ("full", TABLE["full"]), ("items", "process:")]
    ):
        out = tmp_path / str(number) / "candidate"
        by_size.train(snapshot(tmp_path / f"s{number}", mode), TrainConfig(), out, limit_s=240)
        assert (out / "report.json").read_text() == url
    assert opened == ["process:", TABLE["full"]]  # each once


def test_a_cancel_right_before_a_training_ends_that_one_only(tmp_path: Path) -> None:
    by_size, files = launcher(tmp_path, []), snapshot(tmp_path / "snapshot", "full")
    by_size.cancel()
    with pytest.raises(Stopped):
        by_size.train(files, TrainConfig(), tmp_path / "1" / "candidate", limit_s=240)
    out = tmp_path / "2" / "candidate"
    assert by_size.train(files, TrainConfig(), out, limit_s=240) == out


def test_stop_ends_the_training_that_runs(tmp_path: Path) -> None:
    started = tmp_path / "started"
    wait = f"import time; pathlib.Path({str(started)!r}).touch(); time.sleep(600); "
    by_size = launcher(tmp_path, [], wait)

    def stop() -> None:
        until(started.exists)
        by_size.stop()

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    files = snapshot(tmp_path / "snapshot", "update")
    with pytest.raises(Stopped):
        by_size.train(files, TrainConfig(), tmp_path / "1" / "candidate", limit_s=240)
    thread.join()
