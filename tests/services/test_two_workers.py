"""Two workers on one ledger in PostgreSQL: takeover after a kill, a stop or a pause."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from cron.cycle.cycle import run_cycle
from cron.journal.segments import records_of
from cron.ledger import (
    holds,
    journal_rows,
    lease_row,
    metric_rows,
    release_rows,
    run_rows,
    schema,
    switches,
)
from cron.lineage import trained_ranges
from cron.services import Services
from tests.kill_points import PRELOADED
from tests.servers import Servers
from tests.two_hosts import LEASE_S, open_host, work
from tests.workshop import close_workshop, event_records, item_records, lease_of, send, server_of

LIMIT_S = 240.0
BUSY_S = 60.0  # of a machine that does other things too
FIRST, EACH = 400, 80  # events that release 1 learned from; as many as call for a turn


@dataclass(slots=True)
class Hosts:
    """What is shared, seen by the test, and the workers that it started, by host."""

    folder: Path
    ledger_url: str
    services: Services
    processes: ForkServerContext
    workers: dict[str, ForkServerProcess] = field(default_factory=dict)

    def start(self, host: str, pause_at: str | None = None) -> ForkServerProcess:
        """Start a worker, and return when it has said so."""
        process = self.processes.Process(
            target=work, args=(self.folder, host, self.ledger_url, pause_at)
        )
        process.start()
        self.workers[host] = process
        return process

    def log_messages(self, host: str) -> str:
        """Return a worker's log."""
        log = self.folder / f"{host}.log"
        return log.read_text() if log.exists() else ""

    def signal(self, host: str, number: signal.Signals) -> None:
        pid = self.workers[host].pid
        assert pid is not None
        os.kill(pid, number)

    def is_paused(self, host: str) -> bool:
        return psutil.Process(self.workers[host].pid).status() == psutil.STATUS_STOPPED

    def holds(self, host: str) -> bool:
        """Return whether a host's worker holds the lease."""
        return f"/{host}#" in (lease_row.holder(self.services.ledger) or "")

    def versions(self) -> list[int]:
        return [one.version for one in release_rows.newest_releases(self.services.ledger)]

    def until(self, condition: Callable[[], object], what: str) -> None:
        ends_at = time.monotonic() + LIMIT_S
        while not condition():
            logs = "\n".join(f"{host}:\n{self.log_messages(host)[-3000:]}" for host in self.workers)
            assert time.monotonic() < ends_at, f"waited in vain: {what}\n{logs}"
            threading.Event().wait(0.05)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.two_hosts", *PRELOADED])
    return context


@pytest.fixture(scope="module")
def trained_folder(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A baseline and a full release of a third host that is gone: shared files and ledger."""
    folder, url = tmp_path_factory.mktemp("trained"), servers.postgres_database()
    services = open_host(folder, "gone", url)
    lease = lease_of(services.ledger)
    send(services, [*item_records(), *event_records(1, FIRST)])
    assert [run_cycle(services, lease).mode for _ in range(2)] == ["baseline", "full"]
    lease_row.release(services.ledger, lease)
    close_workshop(services)
    shutil.rmtree(folder / "gone")
    return folder, url


@pytest.fixture
def hosts(
    trained_folder: tuple[Path, str], servers: Servers, tmp_path: Path, processes: ForkServerContext
) -> Iterator[Hosts]:
    folder = tmp_path / "shared"
    shutil.copytree(trained_folder[0], folder)
    url = servers.postgres_database(like=trained_folder[1])
    services = open_host(folder, "test", url)
    hosts = Hosts(folder, url, services, processes)
    yield hosts
    for process in hosts.workers.values():
        process.kill()
        process.join()
    close_workshop(services)


def check_nothing_lost_and_nothing_twice(hosts: Hosts, num_events: int) -> None:
    """Check that numbers have no gap, ids are unique, and the live lineage covers them."""
    services = hosts.services
    ledger, last_seq = services.ledger, journal_rows.last_seq(services.ledger)
    rows = services.journal.read(1, last_seq)
    assert rows["seq"].to_pylist() == list(range(1, last_seq + 1))
    ids = [record.event_id for record in records_of(rows)]
    assert len(ids) == len(set(ids)) == len(item_records()) + num_events
    manifests = {one.version: one.manifest for one in release_rows.newest_releases(ledger)}
    live = switches.serving(ledger).live
    assert live is not None
    numbers = [
        seq for first, last in trained_ranges(manifests, live) for seq in range(first, last + 1)
    ]
    assert numbers == list(range(1, manifests[live].trained_through + 1))
    assert services.server.live() == live
    assert holds.current(ledger) is None
    assert metric_rows.stored_metrics(ledger).get("job_errors", 0) == 0


def has_published(hosts: Hosts, num_events: int) -> bool:
    """Return whether the live release learned from so many events, and no run is in progress."""
    ledger = hosts.services.ledger
    live = release_rows.live(ledger)
    assert live is not None
    through = len(item_records()) + num_events
    return live.manifest.trained_through == through and run_rows.open_run(ledger) is None


def let_the_lease_expire(hosts: Hosts) -> None:
    """Write down that nobody has renewed the lease for its whole time, as nobody could."""
    past = lease_row.clock(hosts.services.ledger) - timedelta(seconds=1)
    with hosts.services.ledger.write() as connection:
        connection.execute(schema.lease.update().values(expires_at=past.isoformat()))


def lease_expiry(hosts: Hosts) -> datetime:
    """Return when the lease ends if nobody renews it."""
    with hosts.services.ledger.read() as connection:
        text = connection.execute(sa.select(schema.lease.c.expires_at)).scalar_one()
    return datetime.fromisoformat(text)


def test_the_other_worker_takes_over_an_expired_lease(
    hosts: Hosts,
) -> None:
    hosts.start("a")
    hosts.until(lambda: hosts.holds("a"), "a has the lease")
    hosts.start("b")
    hosts.until(lambda: "waiting for the lease" in hosts.log_messages("b"), "b stands by")
    send(hosts.services, event_records(FIRST + 1, FIRST + EACH))
    hosts.until(lambda: hosts.versions() == [0, 1, 2], "a publishes")
    hosts.until(lambda: run_rows.open_run(hosts.services.ledger) is None, "a's run ends")
    hosts.signal("a", signal.SIGKILL)
    hosts.workers["a"].join()
    killed_at = time.monotonic()
    expires_at = lease_expiry(hosts)
    send(hosts.services, event_records(FIRST + EACH - 9, FIRST + 2 * EACH))  # ten of them again
    hosts.until(lambda: hosts.holds("b"), "b takes over")
    assert lease_row.clock(hosts.services.ledger) > expires_at
    assert time.monotonic() - killed_at < LEASE_S + LEASE_S / 3 + BUSY_S
    hosts.until(lambda: hosts.versions() == [0, 1, 2, 3], "b publishes")
    hosts.until(lambda: run_rows.open_run(hosts.services.ledger) is None, "b's run ends")
    check_nothing_lost_and_nothing_twice(hosts, FIRST + 2 * EACH)


def test_a_holder_that_ends_in_order_hands_over(
    hosts: Hosts,
) -> None:
    """The interval is an hour and few events wait, so the turn comes because of the lease."""
    hosts.start("a")
    hosts.until(
        lambda: (
            hosts.holds("a") and run_rows.newest(hosts.services.ledger, 1)[0].outcome == "skipped"
        ),
        "a had its first turn",
    )
    hosts.start("b")
    hosts.until(lambda: "waiting for the lease" in hosts.log_messages("b"), "b stands by")
    send(hosts.services, event_records(FIRST + 1, FIRST + EACH - 10))
    hosts.signal("a", signal.SIGTERM)
    hosts.until(lambda: hosts.versions() == [0, 1, 2], "b publishes")
    assert hosts.holds("b")
    hosts.workers["a"].join(LIMIT_S)
    assert hosts.workers["a"].exitcode == 0


def let_b_publish_twice_while_a_is_paused(hosts: Hosts, place: str) -> None:
    send(hosts.services, event_records(FIRST + 1, FIRST + EACH))
    hosts.start("a", place)
    hosts.until(lambda: hosts.is_paused("a"), f"a pauses before {place}")
    let_the_lease_expire(hosts)
    hosts.start("b")
    hosts.until(lambda: hosts.holds("b"), "b takes over")
    hosts.until(lambda: has_published(hosts, FIRST + EACH), "b publishes")
    send(hosts.services, event_records(FIRST + EACH - 9, FIRST + 2 * EACH))
    hosts.until(lambda: has_published(hosts, FIRST + 2 * EACH), "b publishes again")


@pytest.mark.parametrize(
    "place",
    [
        "commit_segment",
        "put",
        "add_release",
        "register",
        "begin_publish",
        "set_live",
        "end_switch",
        "finish_run",
    ],
)
def test_a_paused_holder_changes_nothing_on_waking_up(hosts: Hosts, place: str) -> None:
    """The other has published what both wanted to, and more, by then."""
    let_b_publish_twice_while_a_is_paused(hosts, place)
    before = (
        switches.serving(hosts.services.ledger),
        journal_rows.segments(hosts.services.ledger),
        run_rows.newest(hosts.services.ledger),
    )

    hosts.signal("a", signal.SIGCONT)
    hosts.until(lambda: "lease lost" in hosts.log_messages("a"), "a sees that it lost the lease")
    hosts.until(lambda: "waiting for the lease" in hosts.log_messages("a"), "a stands by")
    looks = time.monotonic() + 1.0  # b looks at the server's default five times a second
    hosts.until(
        lambda: time.monotonic() > looks, "b would see a default that is not the live version"
    )
    assert (
        switches.serving(hosts.services.ledger),
        journal_rows.segments(hosts.services.ledger),
        run_rows.newest(hosts.services.ledger),
    ) == before
    check_nothing_lost_and_nothing_twice(hosts, FIRST + 2 * EACH)

    hosts.signal("b", signal.SIGKILL)
    hosts.workers["b"].join()
    let_the_lease_expire(hosts)
    send(hosts.services, event_records(FIRST + 2 * EACH + 1, FIRST + 3 * EACH))
    hosts.until(lambda: hosts.holds("a"), "a takes over again")
    hosts.until(lambda: has_published(hosts, FIRST + 3 * EACH), "a publishes")
    check_nothing_lost_and_nothing_twice(hosts, FIRST + 3 * EACH)


@pytest.mark.parametrize("place", ["add_release", "register"])
def test_a_run_with_unreachable_files_is_abandoned(hosts: Hosts, place: str) -> None:
    send(hosts.services, event_records(FIRST + 1, FIRST + EACH))
    hosts.start("a", place)
    hosts.until(lambda: hosts.is_paused("a"), "a has put version 2 and pauses")
    hosts.signal("a", signal.SIGKILL)
    hosts.workers["a"].join()
    let_the_lease_expire(hosts)
    hosts.start("b")
    hosts.until(lambda: hosts.versions() == [0, 1, 3], "b publishes")
    runs = {
        run.version: run
        for run in run_rows.newest(hosts.services.ledger)
        if run.version is not None
    }
    assert runs[2].outcome == "abandoned"
    assert runs[2].reasons[-1].name == "files_gone"
    hosts.until(lambda: run_rows.open_run(hosts.services.ledger) is None, "b's run ends")
    hosts.until(
        lambda: not [name for name in hosts.services.artifacts.names("") if "rec-2-" in name],
        "what was put for nothing is deleted",
    )
    hosts.until(
        lambda: 2 not in {found.version for found in server_of(hosts.services).versions()},
        "what was registered for nothing is unregistered",
    )
    check_nothing_lost_and_nothing_twice(hosts, FIRST + EACH)


def test_a_worker_outlives_a_restart_of_the_database(hosts: Hosts, servers: Servers) -> None:
    hosts.start("a")
    hosts.until(lambda: hosts.holds("a"), "a has the lease")
    servers.postgres.kill()
    hosts.until(lambda: "lease not renewed" in hosts.log_messages("a"), "a notices")
    send(hosts.services, event_records(FIRST + 1, FIRST + EACH))
    servers.postgres.start()
    hosts.until(lambda: hosts.versions() == [0, 1, 2], "a publishes")
    hosts.until(lambda: run_rows.open_run(hosts.services.ledger) is None, "a's run ends")
    assert "Traceback" not in hosts.log_messages("a")
    check_nothing_lost_and_nothing_twice(hosts, FIRST + EACH)
