"""Training on a Ray cluster that was there before us, as `ray start` makes it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.wiring import PROJECT_ROOT, open_launcher
from tests.component.training import NAMELESS
from tests.contracts.test_train_launcher import EMBEDDED, QUICK
from tests.planted import Row, write_planted_snapshot
from tests.servers import free_port
from trainer.report import read_report

LIMIT_S = 300.0


@pytest.fixture
def address(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start a head on this machine with a client port; stop what it started, by its session folder."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    folder = tmp_path_factory.mktemp("r")
    port, client_port = free_port(), free_port()
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", "--include-dashboard=false"]
    command += [f"--port={port}", f"--ray-client-server-port={client_port}", "--disable-usage-stats", f"--temp-dir={folder}"]
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}, stdout=log, stderr=log)
    yield f"ray://127.0.0.1:{client_port}"
    head.terminate()
    head.wait(60)


def test_a_cluster_makes_the_candidate_that_one_process_makes(address: str, tmp_path: Path) -> None:
    rows = [Row(seq=seq, user_id=f"u{seq % 7}", item_id="i0", at_us=1_700_000_000_000_000 + seq, rating=4.0) for seq in range(1, 40)]
    snapshot = write_planted_snapshot(tmp_path / "snapshot", rows=rows, items=NAMELESS)
    losses = []
    for name, url in (("process", EMBEDDED["process"]), ("ray", f"{address}?workers=2")):
        launcher = open_launcher(url, text_cache=tmp_path / "texts")
        candidate = launcher.train(snapshot, QUICK, tmp_path / name / "candidate", limit_s=LIMIT_S)
        losses.append(read_report(candidate / "report.json").losses)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
