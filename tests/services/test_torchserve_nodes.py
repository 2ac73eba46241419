"""Two real TorchServe nodes under load: releases, rollback and kills lose no answer.

.venv/bin/python -m pytest tests/services/test_torchserve_nodes.py --services
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from cron.backends.torchserve.nodes import ServerNodes
from cron.backends.torchserve.server import TorchServe
from cron.cycle.cycle import run_cycle
from cron.ledger import holds, metric_rows
from cron.services import Services
from cron.serving import release
from cron.serving.reconcile import Reconciler
from cron.urls.torchserve import parse as parse_nodes
from tests.component.gateway_process import gateway, settings_in
from tests.system.torchserve import Running, free_node_ports, running_torchserve
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
)

EVENTS_A_RUN = 120
NUM_CALLERS = 4
LIMIT_S = 180.0  # of what takes some seconds on an idle machine


@dataclass(slots=True)
class TwoNodeDeployment:
    """A worker's parts, two nodes that may be restarted on their ports, and a gateway."""

    services: Services
    client: httpx.Client
    nodes: list[Running]
    restart: Callable[[int], None]
    num_sent: int = 0

    def publish(self, num_events: int = EVENTS_A_RUN) -> int:
        """Send new events and publish what comes of them; return the version."""
        send(self.services, event_records(self.num_sent + 1, self.num_sent + num_events))
        self.num_sent += num_events
        run = run_cycle(self.services, lease_of(self.services.ledger))
        assert run.outcome == "published", run.reasons
        assert run.version is not None
        return run.version

    def kill(self, number: int) -> None:
        """End a node as a power cut would, its workers with it."""
        workers = psutil.Process(self.nodes[number].process.pid).children(recursive=True)
        self.nodes[number].process.kill()
        for worker in workers:
            with suppress(psutil.NoSuchProcess):  # the fork server dies with its node
                worker.kill()
        self.nodes[number].process.wait()
        psutil.wait_procs(workers, timeout=LIMIT_S)

    def num_answered(self, number: int) -> int:
        """Return how many predictions a node has been asked for since its start."""
        page = httpx.get(
            f"http://127.0.0.1:{self.nodes[number].ports.metrics}/metrics",
            timeout=60,
            trust_env=False,
        ).text
        return round(
            sum(map(float, re.findall(r"^freshet_answers\{.*\} (\S+)$", page, re.MULTILINE)))
        )


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[TwoNodeDeployment]:
    with ExitStack() as stack:
        ports = [free_node_ports(), free_node_ports()]

        def start(number: int) -> Running:
            folder = tmp_path / f"node{number}"
            return stack.enter_context(
                running_torchserve(folder, store=tmp_path / "archives", ports=ports[number])
            )

        nodes = [start(0), start(1)]
        hosts = ",".join(f"127.0.0.1:{one.management}" for one in ports)
        sockets = ",".join(str(node.socket) for node in nodes)
        inferences = ",".join(str(one.inference) for one in ports)
        url = f"torchserve://{hosts}/rec?inference={inferences}&socket={sockets}"
        servers = {
            node.address: stack.enter_context(closing(TorchServe(node)))
            for node in parse_nodes(url)
        }
        services = replace(open_workshop(tmp_path), server=ServerNodes(servers))
        stack.callback(close_workshop, services)
        plain = settings_in(tmp_path, inference_port=1, timeout_s=30.0)  # the cores have other work
        settings = replace(plain, store=replace(plain.store, server=url))
        client = stack.enter_context(gateway(settings))

        def restart(number: int) -> None:
            nodes[number] = start(number)

        deployment = TwoNodeDeployment(
            services=services, client=client, nodes=nodes, restart=restart
        )
        send(services, item_records())
        assert (deployment.publish(600), deployment.publish(0)) == (0, 1)
        until_switched(deployment, Reconciler(services), 1)
        yield deployment


@dataclass(slots=True)
class Answers:
    """What the callers got: versions in the order of arrival, and everything that was no answer."""

    versions: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def have(self, version: int) -> bool:
        """Return whether a version answered already."""
        return version in self.versions


@contextmanager
def load(client: httpx.Client) -> Iterator[Answers]:
    """Keep asking while the block runs."""
    answers, stop = Answers(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = client.post(
                "/predict", json={"user_seq": ["i0", "i2"], "item_desc": "odd words"}
            )
            if answer.status_code == 200:
                answers.versions.append(int(answer.headers["X-Model-Version"]))
            else:
                answers.failures.append(f"{answer.status_code} {answer.text[:200]}")

    callers = [threading.Thread(target=ask) for _ in range(NUM_CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield answers
    finally:
        stop.set()
        for caller in callers:
            caller.join()


def test_releases_a_rollback_and_a_killed_node_cost_no_answer(
    deployment: TwoNodeDeployment,
) -> None:
    reconciler = Reconciler(deployment.services)
    with load(deployment.client) as answers:
        until(
            lambda: min(deployment.num_answered(0), deployment.num_answered(1)) > 20,
            "both nodes to be asked",
        )
        # version 1 is unloaded under load
        for version in (2, 3):
            assert deployment.publish() == version
            until_switched(deployment, reconciler, version)
            until(partial(answers.have, version), f"version {version} to be seen")
        deployment.kill(0)
        killed_at = len(answers.versions)
        assert deployment.publish() == 4  # the node that is away is left out
        until(partial(answers.have, 4), "version 4 to be seen")
        reconciler.tick()
        assert metric_rows.stored_metrics(deployment.services.ledger)["nodes_away"] == 1
        assert (
            release.rollback(
                deployment.services.ledger, deployment.services.server, None, by="test"
            ).version
            == 3
        )
        holds.resume(deployment.services.ledger)
        until(
            lambda: answers.versions[-NUM_CALLERS:] == [3] * NUM_CALLERS, "the rollback to be seen"
        )
        deployment.restart(0)
        assert (
            deployment.services.server.nodes()[
                f"127.0.0.1:{deployment.nodes[0].ports.management}"
            ].versions()
            == ()
        )
        until(
            lambda: repair(reconciler) and deployment.num_answered(0) > 20,
            "the node to be asked again",
        )
        back_at = len(answers.versions)
        until(lambda: len(answers.versions) > back_at + 50, "more answers")
    assert answers.failures == []
    assert back_at > killed_at + 50  # the other node went on answering
    assert list(dict.fromkeys(answers.versions)) == [1, 2, 3, 4]
    assert set(answers.versions[back_at:]) == {3}
    until_switched(deployment, reconciler, 3)


def until_switched(deployment: TwoNodeDeployment, reconciler: Reconciler, version: int) -> None:
    """Wait for both nodes: one that is slow at a switch counts as away, and follows in a turn."""
    server = deployment.services.server
    until(lambda: repair(reconciler) and server.live() == version, "both nodes to switch")


def repair(reconciler: Reconciler) -> bool:
    reconciler.tick()
    return True


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, f"waited {LIMIT_S:.0f} s for {what}"
        time.sleep(0.05)
