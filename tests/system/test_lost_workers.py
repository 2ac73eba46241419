"""A live version whose worker keeps dying is loaded again without a person."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from cron.ledger import holds, metric_rows, switches
from cron.server_versions import ServerVersion
from cron.services import Services
from cron.serving.reconcile import Reconciler
from tests.component.serving.reconciling import SteppedClock
from tests.planted import planted_bundle
from tests.shelf import publish_archive
from tests.system.torchserve import Running, open_node, running_torchserve
from tests.workshop import close_workshop, open_workshop
from trainer.archive import pack

# of TorchServe with a worker that does not come back; five minutes unless an archive says otherwise
PATIENCE_S = 3


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
        _kill_until_given_up(
            node, lambda: next(found for found in server.versions() if found.version == 2)
        )
        with pytest.raises(httpx.ReadTimeout):  # TorchServe queues it forever
            httpx.post(node.predictions, json={"user_seq": [], "k": 1}, timeout=2)
        clock = SteppedClock()
        reconciler = Reconciler(services, monotonic=clock)
        reconciler.tick()
        clock.now += 31.0
        reconciler.tick()
        answer = httpx.post(node.predictions, json={"user_seq": [], "k": 1}, timeout=30)
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


def _kill_until_given_up(node: Running, live: Callable[[], ServerVersion]) -> None:
    """Kill each new worker until TorchServe pauses longer than its longest retry."""
    first = node.worker_pids()[0]
    deadline, seen_at = time.monotonic() + 240, time.monotonic()
    while time.monotonic() - seen_at < 4 * PATIENCE_S:
        assert time.monotonic() < deadline, "TorchServe did not give up"
        for pid in set(node.worker_pids()) - {first}:
            with suppress(psutil.NoSuchProcess):  # the last kill has just ended it
                psutil.Process(pid).kill()
                seen_at = time.monotonic()
        time.sleep(0.05)
    assert not live().ready
