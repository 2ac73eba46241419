"""Two people roll back at the same moment on a real TorchServe: one step back.

.venv/bin/python -m pytest tests/system/test_two_rollbacks.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cron.ledger import release_rows, switches
from cron.project_root import PROJECT_ROOT
from cron.services import Services
from cron.serving import release
from tests.releases import manifest
from tests.system.torchserve import Running, open_node, running_torchserve, write_archive
from tests.workshop import close_workshop, lease_of, open_workshop

LIMIT_S = 240.0  # of what takes a second on an idle machine
HANDLER = b"""class AnswersNothing:
    def initialize(self, context): pass
    def handle(self, data, context): return [{}] * len(data)
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    with running_torchserve(tmp_path, store=tmp_path / "archives") as running:
        yield running


@pytest.fixture
def services(tmp_path: Path, node: Running) -> Iterator[Services]:
    """Versions 1 to 4 were published, 4 is live."""
    with open_node(node) as server:
        services = replace(open_workshop(tmp_path), server=server)
        lease = lease_of(services.ledger)
        for version in range(1, 5):
            archive = write_archive(tmp_path / "archives", version, handler=HANDLER)
            release_rows.add(services.ledger, manifest(version, archive=archive), lease=lease)
            server.register(version, archive)
            release.publish(
                services.ledger,
                server,
                version,
                expected=switches.serving(services.ledger).live,
                lease=lease,
            )
        yield services
        close_workshop(services)


def test_two_bare_rollbacks_at_once_go_one_step_back(
    services: Services, node: Running, tmp_path: Path
) -> None:
    store = {
        "LEDGER": f"sqlite:///{tmp_path}/ledger.db",
        "ARTIFACTS": f"file:///{tmp_path}/archives",
        "SERVER": node.url,
    }
    environment = {**os.environ, **{f"FRESHET__STORE__{name}": url for name, url in store.items()}}
    for live in (3, 2):
        both = [
            subprocess.Popen(
                [sys.executable, "-m", "cron", "rollback"],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        told = [
            tuple(stream.decode() for stream in one.communicate(timeout=LIMIT_S)) for one in both
        ]
        assert (switches.serving(services.ledger).live, services.server.live()) == (live, live), (
            told
        )
        assert sorted(one.returncode for one in both) in ([0, 0], [0, 1]), told
        for out, err in told:
            assert f"version {live} is live" in out + err
