"""Releases change on a real TorchServe under load: every request is answered."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from bench.speed.load import load
from cron.cycle.cycle import run_cycle
from cron.ledger import holds, release_rows
from cron.lineage import Run
from cron.services import Services
from cron.serving import release
from cron.serving.reconcile import Reconciler
from tests.system.torchserve import Running, free_node_ports, open_node, running_torchserve
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
)

EVENTS_A_RUN = 120


@dataclass(slots=True)
class LiveWorkshop:
    """A workshop whose releases go to a real TorchServe."""

    services: Services
    server: Running
    num_sent: int = 0

    def publish(self, num_releases: int = 1) -> None:
        """Send new events and publish what comes of them, so often."""
        for _ in range(num_releases):
            send(self.services, event_records(self.num_sent + 1, self.num_sent + EVENTS_A_RUN))
            self.num_sent += EVENTS_A_RUN
            run = self._turn()
            assert run.outcome == "published", run.reasons

    def _turn(self) -> Run:
        return run_cycle(self.services, lease_of(self.services.ledger))

    def start(self) -> None:
        """Publish the baseline and release 1."""
        send(self.services, [*item_records(), *event_records(1, 600)])
        self.num_sent = 600
        for mode in ("baseline", "full"):
            run = self._turn()
            assert (run.mode, run.outcome) == (mode, "published"), run.reasons

    def live_version(self) -> int:
        """Ask the endpoint who answers."""
        answer = httpx.post(self.server.predictions, json={"user_seq": ["i0"], "k": 1}, timeout=60)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["model_version"])


@contextmanager
def open_live_workshop(folder: Path) -> Iterator[LiveWorkshop]:
    with (
        running_torchserve(folder, store=folder / "archives") as running,
        open_node(running) as server,
    ):
        services = replace(open_workshop(folder), server=server)
        try:
            yield LiveWorkshop(services=services, server=running)
        finally:
            close_workshop(services)


def test_no_request_fails_during_releases_and_a_rollback(tmp_path: Path) -> None:
    with open_live_workshop(tmp_path) as workshop:
        workshop.start()
        bodies: tuple[dict[str, object], ...] = (
            {"user_seq": ["i0", "i2"], "k": 5},
            {"user_seq": ["i1"], "item_desc": "odd words never seen"},
        )
        sent: list[int] = []

        def next_body(number: int) -> dict[str, object]:
            sent.append(number)
            return bodies[number % 2]

        port = workshop.server.ports.inference
        with load(port, "/predictions/rec", next_body, connections=4) as tally:
            # versions 2 and 3; with two kept loaded, 0 and 1 are unregistered under load
            workshop.publish(num_releases=2)
            release.rollback(workshop.services.ledger, workshop.services.server, None, by="test")
            _until(lambda: workshop.live_version() == 2)
            _until(lambda: len(sent) > 100)
        assert tally.failures == []
        assert len(tally.latencies_s) == len(sent)
        assert [one.version for one in workshop.services.server.versions()] == [2, 3]


def test_a_killed_server_serves_the_same_version_again(tmp_path: Path) -> None:
    ports = free_node_ports()
    with (
        running_torchserve(tmp_path, store=tmp_path / "archives", ports=ports) as running,
        open_node(running) as server,
    ):
        services = replace(open_workshop(tmp_path), server=server)
        workshop = LiveWorkshop(services=services, server=running)
        workshop.start()
        workshop.publish()
        running.process.kill()
        running.process.wait()
    with (
        running_torchserve(tmp_path, store=tmp_path / "archives", ports=ports) as running,
        open_node(running) as server,
    ):
        workshop.services = replace(workshop.services, server=server)
        assert server.versions() == ()
        reconciler = Reconciler(workshop.services)
        _until(lambda: _ticking(reconciler) and len(server.versions()) == 2)
        assert workshop.live_version() == 2
        assert [one.version for one in server.versions() if one.ready] == [1, 2]
        close_workshop(workshop.services)


def test_a_worker_killed_during_its_probe_is_retried(tmp_path: Path) -> None:
    with open_live_workshop(tmp_path) as workshop:
        send(workshop.services, [*item_records(), *event_records(1, 600)])
        server = workshop.services.server
        predict, asked = server.predict, list[int]()

        def kill_at_the_third(version: int | None, body: object, *, timeout_s: float) -> object:
            asked.append(1)
            if len(asked) == 3:
                os.kill(workshop.server.worker_pids()[-1], signal.SIGKILL)
            return predict(version, body, timeout_s=timeout_s)

        server.predict = kill_at_the_third  # type: ignore[method-assign]
        run = run_cycle(workshop.services, lease_of(workshop.services.ledger))
        assert (run.mode, run.outcome) == ("baseline", "published"), run.reasons
        assert len(asked) > 3
        assert workshop.live_version() == 0


def test_an_operators_own_curl_counts_as_a_rollback_and_holds(tmp_path: Path) -> None:
    with open_live_workshop(tmp_path) as workshop:
        workshop.start()
        workshop.publish()
        assert workshop.server.manage("PUT", "/models/rec/1/set-default").status_code == 200
        reconciler = Reconciler(workshop.services)
        _until(lambda: _ticking(reconciler) and holds.current(workshop.services.ledger) is not None)
        live = release_rows.live(workshop.services.ledger)
        assert live is not None
        assert live.version == 1
        send(
            workshop.services,
            event_records(workshop.num_sent + 1, workshop.num_sent + EVENTS_A_RUN),
        )
        run = run_cycle(workshop.services, lease_of(workshop.services.ledger))
        assert (run.outcome, run.reasons[0].name) == ("skipped", "held")
        assert workshop.live_version() == 1
        holds.resume(workshop.services.ledger)
        assert (
            run_cycle(workshop.services, lease_of(workshop.services.ledger)).outcome == "published"
        )
        assert workshop.live_version() == 3


def _ticking(reconciler: Reconciler) -> bool:
    reconciler.tick()
    return True


def _until(true: Callable[[], bool], *, within_s: float = 240.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.05)
