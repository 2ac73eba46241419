"""The worker in trouble: a clock set back, a refusing server, a stop during long jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
import sqlalchemy as sa
from apscheduler.schedulers import base

from cron.errors import ServerRefused
from cron.ledger import holds, journal_rows, lease_row, metric_rows, run_rows, schema, switches
from cron.ledger.ledger import Ledger
from cron.project_root import PROJECT_ROOT
from cron.services import Services
from cron.worker.worker import Worker
from tests.component.at_work import LIMIT_S, until, working
from tests.workshop import event_records, send, server_of

GRACE_S = 3.0
BUSY_S = 30.0  # for which the process may wait for a processor


class HostClock:
    """A wall clock that a test sets back; `now` also stands in for `datetime.now`."""

    def __init__(self) -> None:
        self.back = timedelta(0)

    def now(self, tz: tzinfo = UTC) -> datetime:
        return datetime.now(tz) - self.back


@pytest.mark.parametrize("cron", [None, "0 3 * * sun"], ids=["interval", "crontab"])
@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=400)], ids=str)
def test_a_clock_that_is_set_back_stops_no_job(
    shelf: Services, monkeypatch: pytest.MonkeyPatch, back: timedelta, cron: str | None
) -> None:
    host = HostClock()
    monkeypatch.setattr(base, "datetime", host)  # APScheduler has no parameter for it
    services = replace(
        shelf,
        ledger=Ledger(shelf.ledger.engine, now=host.now),
        settings=replace(
            shelf.settings, worker=replace(shelf.settings.worker, cron=cron, lease_s=1.0)
        ),
    )
    holds.pause(shelf.ledger, "turns are counted here, and make nothing")
    with working(services) as begun:
        until(lambda: run_rows.newest(shelf.ledger, 1) and not begun._under_way["cycle"].locked())
        host.back = back
        # the next turn would be hours away
        until(lambda: run_rows.newest(shelf.ledger, 1)[0].count >= 2)
        send(shelf, event_records(1, 20))
        until(lambda: shelf.histories.recent("user1", 5))
        shelf.server.set_live(1)
        until(lambda: switches.serving(shelf.ledger).live == 1)
        until(lambda: lease_end(shelf.ledger) < host.now() + back / 2)
        renewed_to = lease_end(shelf.ledger)
        until(lambda: lease_end(shelf.ledger) > renewed_to)
    assert "job_errors" not in metric_rows.stored_metrics(shelf.ledger)


def lease_end(ledger: Ledger) -> datetime:
    """Return when the lease would expire."""
    with ledger.read() as connection:
        return datetime.fromisoformat(
            connection.execute(sa.select(schema.lease.c.expires_at)).scalar_one()
        )


@pytest.mark.parametrize("call", ["versions", "live"])
@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_refusing_server_is_logged_once(
    shelf: Services, caplog: pytest.LogCaptureFixture, call: str, status: int
) -> None:
    looks = threading.Semaphore(0)

    holds.pause(shelf.ledger, "nothing is published here")

    def refuse() -> None:
        looks.release()
        raise ServerRefused(None, status=status, message="not for you")

    with working(shelf):
        until(lambda: run_rows.newest(shelf.ledger, 1))
        setattr(server_of(shelf), call, refuse)
        for _ in range(10):
            assert looks.acquire(timeout=LIMIT_S)
        send(shelf, event_records(1, 100))  # over after_events
        until(lambda: journal_rows.last_seq(shelf.ledger) == 100)
        delattr(server_of(shelf), call)  # back, as the class has it
    assert [record.message for record in caplog.records].count("the server refuses the worker") == 1
    assert "job_errors" not in metric_rows.stored_metrics(shelf.ledger)


def test_a_server_that_refuses_differently_is_logged_again(
    shelf: Services, caplog: pytest.LogCaptureFixture
) -> None:
    left = [401, 401, 503, 503, 401]
    holds.pause(shelf.ledger, "nothing is published here")

    def refuse() -> None:
        raise ServerRefused(None, status=left.pop(0) if len(left) > 1 else left[0], message="no")

    with working(shelf):
        until(lambda: run_rows.newest(shelf.ledger, 1))
        server_of(shelf).live = refuse  # type: ignore[method-assign]
        until(lambda: len(left) == 1)
        until(
            lambda: (
                len(
                    [
                        record
                        for record in caplog.records
                        if record.message == "the server refuses the worker"
                    ]
                )
                == 3
            )
        )
        delattr(server_of(shelf), "live")


class Slow:
    """What stands before a port and lets one call wait for a test."""

    def __init__(self, port: object, name: str) -> None:
        self.port, self.name, self.is_on = port, name, False
        self.began, self.goes_on = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> object:
        return self._wait if name == self.name and self.is_on else getattr(self.port, name)

    def _wait(self, *arguments: object, **named: object) -> object:
        self.began.set()
        assert self.goes_on.wait(LIMIT_S)
        return getattr(self.port, self.name)(*arguments, **named)


@pytest.mark.parametrize(
    ("port", "call"),
    [("server", "versions"), ("histories", "append"), ("log", "backlog")],
    ids=["watch", "follow", "waiting events"],
)
def test_the_lease_is_kept_while_any_job_is_at_something(
    shelf: Services, port: str, call: str
) -> None:
    """The next holder would otherwise run into the calls of a worker that reported its end."""
    slow = Slow(getattr(shelf, port), call)
    services = replace(shelf, **{port: slow})  # type: ignore[arg-type]
    if port == "server":
        slow.nodes = lambda: {"here": slow}  # type: ignore[attr-defined]
    holds.pause(shelf.ledger, "no turn does anything here")
    begun = Worker(services)
    begun.start()
    until(lambda: run_rows.newest(shelf.ledger, 1) and not begun._under_way["cycle"].locked())
    slow.is_on = True  # before there are events that the worker could follow at once
    send(shelf, event_records(1, 5))
    assert slow.began.wait(LIMIT_S)
    assert not begun.end(0.3)
    assert lease_row.holder(shelf.ledger) is not None
    slow.goes_on.set()
    until(lambda: not any(lock.locked() for lock in begun._under_way.values()))


def test_sigterm_ends_a_worker_waiting_for_its_server(shelf: Services, tmp_path: Path) -> None:
    holds.pause(shelf.ledger, "no turn does anything here")
    program = (
        "import sys, time; from dataclasses import replace; from pathlib import Path; "
        "from cron.worker.worker import run_worker; "
        "from tests.workshop import open_workshop, server_of; "
        f"services = open_workshop(Path({str(tmp_path)!r})); "
        "server_of(services).versions = lambda: (print('asked', flush=True), time.sleep(3600)); "
        f"worker = replace(services.settings.worker, grace_s={GRACE_S}); "
        "settings = replace(services.settings, worker=worker); "
        "sys.exit(run_worker(replace(services, settings=settings)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"asked\n"
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    assert time.monotonic() - started < GRACE_S + BUSY_S, "the call would last an hour"
