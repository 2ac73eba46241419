"""The trainer as a process: killed and resumed, locked, orphaned, on one rank or two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.component.training import NAMELESS, ROOT, TrainingKilled, command, report, train
from tests.planted import write_planted_snapshot
from trainer.__main__ import main
from trainer.candidate import Job, make_candidate
from trainer.candidate_files import PROGRESS
from trainer.config import TrainConfig
from trainer.machine.guard import CandidateInUse, candidate_lock


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    tmp_path: Path, config: TrainConfig
) -> None:
    config = replace(
        config, device="cpu", full_epochs=4, model=replace(config.model, dropout=0.2)
    )  # a GPU's sums differ in rounding
    snapshot = write_planted_snapshot(tmp_path / "snapshot")
    whole = train(tmp_path, snapshot, config, name="whole")
    calls: list[int] = []

    def die() -> None:
        calls.append(1)
        if len(calls) == 16:
            raise TrainingKilled

    job = Job(
        snapshot=snapshot,
        config=config,
        out=tmp_path / "killed",
        text_cache=tmp_path / "texts",
        check=die,
    )
    with pytest.raises(TrainingKilled):
        make_candidate(job)
    assert json.loads((job.partial / "progress.json").read_text())["phase"] == "train"
    first_try = len(calls)
    make_candidate(job)
    assert len(calls) - first_try < first_try * 2
    assert report(job.out).losses == report(whole).losses
    assert report(job.out).bundle_digest == report(whole).bundle_digest


def test_two_trainers_never_work_on_one_candidate(
    tmp_path: Path, config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with candidate_lock(tmp_path / "out"):
        assert main(command(tmp_path, tmp_path, config)) == 1
        assert "another trainer works on it" in capsys.readouterr().err
        with pytest.raises(CandidateInUse), candidate_lock(tmp_path / "out"):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_the_trainer_ends_with_its_parent(tmp_path: Path, config: TrainConfig) -> None:
    snapshot = write_planted_snapshot(tmp_path / "snapshot", items=NAMELESS)
    arguments = command(tmp_path, snapshot, replace(config, full_epochs=100_000))
    start = f"subprocess.Popen([sys.executable, '-m', 'trainer', *{arguments!r}])"
    starter = f"import subprocess, sys; print({start}.pid, flush=True); sys.stdin.read()"
    parent = subprocess.Popen(
        [sys.executable, "-c", starter],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    child = int(parent.stdout.readline())
    ends_at = time.monotonic() + 240
    while not (tmp_path / "out.partial" / "checkpoint").exists() and time.monotonic() < ends_at:
        select_nothing(0.05)
    assert (tmp_path / "out.partial" / "checkpoint").exists()
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    while running(child) and time.monotonic() < ends_at:
        select_nothing(0.02)
    assert not running(child)


def select_nothing(wait_s: float) -> None:
    """Let a poll breathe."""
    signal.sigtimedwait([], wait_s)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


STAY = """
import sys
from pathlib import Path
import torch
from trainer.machine import distributed
with distributed.process_group(torch.device("cpu")):
    if distributed.rank() == 0:
        sys.stdin.read()
    else:
        Path(sys.argv[1]).touch()
"""


def test_ranks_leave_together(tmp_path: Path) -> None:
    first, second = (
        start_rank(rank, "-c", STAY, str(tmp_path / "done"), rendezvous=tmp_path / "rendezvous")
        for rank in range(2)
    )
    while not (tmp_path / "done").exists():
        select_nothing(0.05)
        assert second.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(timeout=1)
    errors = [
        rank.communicate(timeout=400)[1].decode() for rank in (first, second)
    ]  # ends the first one's input
    assert [first.returncode, second.returncode] == [0, 0], errors


def start_rank(rank: int, *arguments: str, rendezvous: Path) -> subprocess.Popen[bytes]:
    """Start one of two ranks; they meet at a file, because a free port may be taken."""
    where = {
        "WORLD_SIZE": "2",
        "RANK": str(rank),
        "FRESHET_RENDEZVOUS": f"file://{rendezvous}",
        "PYTHONFAULTHANDLER": "1",
    }
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **where},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_sigterm_loses_no_step_of_a_training(tmp_path: Path, config: TrainConfig) -> None:
    """SIGTERM is what a machine gets that is taken away."""
    config = replace(config, device="cpu", full_epochs=300, checkpoint_s=3600.0)
    snapshot = write_planted_snapshot(tmp_path / "snapshot", items=NAMELESS)
    whole = start_trainer(command(tmp_path, snapshot, config, name="whole"))
    whole.communicate(timeout=400)
    assert whole.returncode == 0
    arguments = command(tmp_path, snapshot, config, name="ended")
    progress, done = tmp_path / "ended.partial" / PROGRESS, 0
    for _ in range(2):
        trainer = start_trainer(arguments)
        wait_for_step(progress, done + 20)
        trainer.terminate()
        _, errors = trainer.communicate(timeout=400)
        assert trainer.returncode == 1
        assert "trainer: machine: the training was ended by SIGTERM" in errors.splitlines()[-1]
        before, done = done, json.loads(progress.read_text())["done"]
        assert done > before
    trainer = start_trainer(arguments)
    trainer.communicate(timeout=400)
    assert trainer.returncode == 0
    assert report(tmp_path / "ended").losses == report(tmp_path / "whole").losses
    assert report(tmp_path / "ended").bundle_digest == report(tmp_path / "whole").bundle_digest


def start_trainer(arguments: list[str]) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "trainer", *arguments]
    return subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for_step(progress: Path, number: int) -> None:
    """Wait until a training has taken so many steps."""
    ends_at = time.monotonic() + 240
    while time.monotonic() < ends_at:
        with suppress(OSError, ValueError):
            found = json.loads(progress.read_text())
            if found["phase"] == "train" and found["done"] >= number:
                return
        select_nothing(0.02)
    raise AssertionError("the training did not begin")
