"""A real TorchServe whose workers are forked, and what is left when a process dies."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

from cron.backends.torchserve.server import TorchServe
from deploy.servers.torchserve.forked_workers import NOT_FORKED
from tests.system.torchserve import (
    STOP_LIMIT_S,
    Running,
    open_node,
    running_torchserve,
    until_noticed,
)
from trainer.archive import pack

TOP = {"user_seq": ["i3"], "k": 3}
OWN_IMPORTS_BYTES = 100_000_000  # `import torch` alone takes more than twice as much


def publish(server: TorchServe, node: Running, bundle: Path, version: int) -> None:
    server.register(version, pack(bundle=bundle, version=version, out=node.store).name)
    assert server.predict(version, TOP, timeout_s=60)


def test_loaded_versions_share_what_they_import(
    server: TorchServe, node: Running, bundle: Path
) -> None:
    for version in (1, 2):
        publish(server, node, bundle, version)
    pids = node.worker_pids()
    assert len(pids) == 2
    for pid in pids:
        memory = psutil.Process(pid).memory_full_info()
        assert memory.uss < OWN_IMPORTS_BYTES < memory.rss
    reported = server.memory()
    assert reported is not None
    assert reported.taken_bytes < OWN_IMPORTS_BYTES, "what one more version would take"


def test_without_the_fork_server_versions_answer_and_load(bundle: Path, tmp_path: Path) -> None:
    with running_torchserve(tmp_path) as node, open_node(node, recovery_s=120.0) as server:
        publish(server, node, bundle, 1)
        (worker,) = node.worker_pids()
        psutil.Process(psutil.Process(worker).ppid()).kill()
        assert server.predict(1, TOP, timeout_s=60)
        publish(server, node, bundle, 2)
        psutil.Process(worker).kill()
        until_noticed(node, 1, worker)
        server.register(1, "the version is there, and its worker starts again")
        for version in (1, 2):
            assert server.predict(version, TOP, timeout_s=60)


def test_nothing_is_left_of_a_killed_torchserve(bundle: Path, tmp_path: Path) -> None:
    with running_torchserve(tmp_path) as node, open_node(node) as server:
        publish(server, node, bundle, 1)
        below = psutil.Process(node.process.pid).children(recursive=True)
        assert len(below) == 3  # the fork server, the worker, and what TorchServe takes for it
        node.process.send_signal(signal.SIGKILL)
        node.process.wait()
        _, alive = psutil.wait_procs(below, timeout=STOP_LIMIT_S)
        assert not alive


def test_each_worker_can_have_its_own_imports(bundle: Path, tmp_path: Path) -> None:
    with running_torchserve(tmp_path, options=[NOT_FORKED]) as node, open_node(node) as server:
        publish(server, node, bundle, 1)
        (worker,) = psutil.Process(node.process.pid).children(recursive=True)
        assert worker.memory_full_info().uss > OWN_IMPORTS_BYTES
