"""Training on a Ray cluster that was there before us, as `ray start` makes it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from cron.project_root import PROJECT_ROOT
from cron.wiring import open_launcher
from tests.contracts.test_train_launcher import EMBEDDED, QUICK, small_snapshot, training, until
from tests.servers import free_port
from trainer.report import read_report

LIMIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A cluster of one machine."""

    process: subprocess.Popen[bytes]
    url: str

    def ranks(self) -> list[psutil.Process]:
        """Return the processes that train."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in below if "RayTrainWorker" in " ".join(one.cmdline())]


@pytest.fixture
def head(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Head]:
    """Start a head on this machine with a client port."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    folder = tmp_path_factory.mktemp("r")
    port, client_port = free_port(), free_port()
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--head",
        "--block",
        "--num-cpus=2",
        "--include-dashboard=false",
    ]
    command += [
        f"--port={port}",
        f"--ray-client-server-port={client_port}",
        "--disable-usage-stats",
        f"--temp-dir={folder}",
    ]
    with (folder / "head.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}, stdout=log, stderr=log
        )
    yield Head(process=process, url=f"ray://127.0.0.1:{client_port}?workers=2")
    process.terminate()
    process.wait(60)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    return small_snapshot(tmp_path / "snapshot")


def test_a_cluster_makes_the_candidate_that_one_process_makes(
    head: Head, snapshot: Path, tmp_path: Path
) -> None:
    losses = []
    for name, url in (("process", EMBEDDED["process"]), ("ray", head.url)):
        launcher = open_launcher(url, text_cache=tmp_path / "texts")
        candidate = launcher.train(snapshot, QUICK, tmp_path / name / "candidate", limit_s=LIMIT_S)
        losses.append(read_report(candidate / "report.json").losses)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_training_resumes_after_a_worker_dies(head: Head, snapshot: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "candidate"
    killed: list[int] = []

    def kill() -> None:
        until(lambda: training(out), limit_s=LIMIT_S)
        victim = head.ranks()[-1]
        victim.kill()
        killed.append(victim.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    open_launcher(head.url, text_cache=tmp_path / "texts").train(
        snapshot, replace(QUICK, full_epochs=100), out, limit_s=LIMIT_S
    )
    thread.join()
    assert len(killed) == 1
    assert len(read_report(out / "report.json").losses) == 100
