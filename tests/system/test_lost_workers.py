"""A live version whose worker keeps dying is loaded again without a person."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import psutil

from cron.ledger import holds, metric_rows, switches
from cron.services import Services
from cron.serving.reconcile import Reconciler
from tests.component.serving.reconciling import SteppedClock
from tests.planted import planted_bundle
from tests.shelf import publish_archive
from tests.system.machine import until
from tests.system.torchserve import Running, open_node, running_torchserve
from tests.workshop import close_workshop, open_workshop
from trainer.archive import pack

# of TorchServe with a worker that does not come back; five minutes unless an archive says otherwise
PATIENCE_S = 3
GIVEN_UP = "Auto recovery failed again"


def test_an_abandoned_live_version_is_loaded_again(
    tmp_path: Path,
) -> None:
    planted_bundle(tmp_path / "bundle", tower="lstm", encoder="tiny")
    with (
        running_torchserve(tmp_path, store=tmp_path / "archives") as node,
        open_node(node) as server,
    ):
        services = replace(open_workshop(tmp_path), server=server)
        for version in (1, 2):
            _publish(services, tmp_path, version)
        _kill_until_given_up(node)
        assert [one.ready for one in server.versions()] == [True, False]
        with suppress(httpx.ReadTimeout):  # TorchServe may queue it forever
            lost = httpx.post(node.predictions, json={"user_seq": [], "k": 1}, timeout=2)
            assert lost.status_code == 503
        clock = SteppedClock()
        reconciler = Reconciler(services, monotonic=clock)
        reconciler.tick()
        clock.now += 31.0
        reconciler.tick()
        answer = httpx.post(node.predictions, json={"user_seq": [], "k": 1}, timeout=60)
        assert (answer.status_code, answer.json()["model_version"]) == (200, 2)
        assert (switches.serving(services.ledger).live, holds.current(services.ledger)) == (2, None)
        assert metric_rows.stored_metrics(services.ledger)["lost_workers"] == 1
        close_workshop(services)


def _publish(services: Services, folder: Path, version: int) -> None:
    mar = pack(bundle=folder / "bundle", version=version, out=folder / "packed")
    with zipfile.ZipFile(mar) as packed, zipfile.ZipFile(folder / mar.name, "w") as impatient:
        for name in packed.namelist():
            also = (
                f"\nmaxRetryTimeoutInSec: {PATIENCE_S}\n".encode()
                if name == "model-config.yaml"
                else b""
            )
            impatient.writestr(name, packed.read(name) + also)
    publish_archive(services, version, folder / mar.name)


def _kill_until_given_up(node: Running) -> None:
    """Kill each new worker of version 2 until TorchServe starts no more, by its log."""
    first = node.worker_pid(1)

    def has_given_up() -> bool:
        for pid in set(node.worker_pids()) - {first}:
            with suppress(psutil.NoSuchProcess):  # the last kill has just ended it
                psutil.Process(pid).kill()
        logs = (node.var / "log").glob("*.log")
        return any(GIVEN_UP in log.read_text(errors="replace") for log in logs)

    until(has_given_up, "TorchServe to give up", limit_s=240)
