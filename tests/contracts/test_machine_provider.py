"""The MachineProvider port: a program, KubeRay, and Ray's autoscaler."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cron.machine_errors import MachinesRefused
from cron.machine_provider import MachineProvider
from cron.wiring import open_machines
from tests.kubernetes_api import kubernetes_api
from tests.rented import PretendedMachines
from tests.services.ray_cluster import AutoscaledCluster

EMBEDDED = {"command": None, "kuberay": None}
ON_SERVERS = {"ray": None}  # a cluster whose machines are processes of this one
LIMIT_S = 240.0


@pytest.fixture
def machines(
    back_end: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[], MachineProvider]]:
    """Return what opens the provider, as each process does for itself."""
    if back_end == "command":
        url = PretendedMachines(tmp_path / "machines").url("machines=2")
        yield lambda: open_machines(url)
    elif back_end == "kuberay":
        with kubernetes_api(tmp_path) as api:
            yield lambda: open_machines(api.url)
    else:
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        cluster = AutoscaledCluster(tmp_path_factory.mktemp("r"))
        try:
            url = f"ray://{cluster.address}?machines=2"
            until_answered(open_machines(url))
            yield lambda: open_machines(url)
        finally:
            cluster.end()


def until_answered(provider: MachineProvider) -> None:
    """Wait for a head that starts; connecting itself waits for half a minute."""
    for _ in range(8):
        with suppress(MachinesRefused):
            provider.num_joined()
            return
    raise AssertionError("the head never answered")


def until_joined(provider: MachineProvider, number: int) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while provider.num_joined() != number:
        assert time.monotonic() < ends_at, f"never {number} machines"
        threading.Event().wait(0.05)


def test_machines_start_join_and_are_stopped(machines: Callable[[], MachineProvider]) -> None:
    """Each process opens its own provider: the one that stops may be another one."""
    machines().stop()
    assert machines().num_joined() == 0
    for _ in range(2):
        machines().start(2)
    until_joined(machines(), 2)
    for _ in range(2):
        machines().stop()
    until_joined(machines(), 0)
