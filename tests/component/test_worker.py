"""The worker as users see it: it starts, reacts within seconds, works alone, and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent

from cron.errors import AlreadyRunning, LeaseLost
from cron.ledger import (
    full_request,
    holds,
    journal_rows,
    lease_row,
    metric_rows,
    release_rows,
    run_rows,
    switches,
)
from cron.ports import Batch, Cursor
from cron.services import Services
from cron.wiring import open_launcher
from cron.worker.lease import held_lease, only_one
from cron.worker.worker import run_once
from tests.component.at_work import LIMIT_S, has_file, until, working
from tests.component.switchable_ledger import SwitchableLedger
from tests.component.worker_logs import SlowLog, StrangeLog
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    open_workshop,
    send,
    server_of,
)

ROOT = Path(__file__).parents[2]
NEVER_S = 3600.0  # no test is as long
GRACE_S = 120.0  # of a worker that needs a second on an idle machine


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Services]:
    services = open_workshop(tmp_path)
    yield services
    close_workshop(services)


def versions(services: Services) -> list[int]:
    return [one.version for one in release_rows.newest_releases(services.ledger)]


def test_it_publishes_follows_and_reacts_to_events(
    fresh: Services,
) -> None:
    """The interval is an hour: everything here happens because the worker looks."""
    send(fresh, [*item_records(), *event_records(1, 200)])
    with working(fresh):
        until(lambda: versions(fresh) == [0, 1])
        until(lambda: len(fresh.histories.recent("user1", 10)) == 4)
        send(fresh, event_records(201, 280))  # as many as after_events
        until(lambda: versions(fresh) == [0, 1, 2])
    assert lease_row.holder(fresh.ledger) is None
    assert metric_rows.stored_metrics(fresh.ledger).get("job_errors", 0) == 0


def test_a_default_set_by_hand_is_noticed_by_polling(shelf: Services) -> None:
    with working(shelf):
        until(lambda: lease_row.holder(shelf.ledger) is not None)
        shelf.server.set_live(1)
        until(lambda: holds.current(shelf.ledger) is not None)
    assert (switches.serving(shelf.ledger).live, shelf.server.live()) == (1, 1)


def test_a_server_that_was_lost_comes_back_with_what_was_live(shelf: Services) -> None:
    with working(shelf):
        server_of(shelf).is_down = True
        server_of(shelf).restart_empty()
        server_of(shelf).is_down = False
        until(lambda: [found.version for found in shelf.server.versions()] == [1, 2])
    assert shelf.server.live() == 2
    assert holds.current(shelf.ledger) is None


@pytest.mark.parametrize("surprise", [RuntimeError, SystemExit])
def test_a_failing_turn_is_counted_and_the_worker_lives(
    shelf: Services, surprise: type[BaseException]
) -> None:
    class Surprising:
        def __getattr__(self, name: str) -> object:
            return getattr(shelf.log, name)

        def read(self, after: Cursor, limit: int) -> Batch:
            raise surprise("a surprise")

    with working(replace(shelf, log=Surprising())):  # type: ignore[arg-type]
        until(
            lambda: metric_rows.stored_metrics(shelf.ledger).get("job_errors", 0) >= 2
        )  # the turn's and the follower's
        shelf.server.set_live(1)
        until(lambda: holds.current(shelf.ledger) is not None)


def test_waiting_events_do_not_shorten_the_backoff(shelf: Services) -> None:
    send(shelf, event_records(1, 200))  # over after_events, which call for a turn at each look
    switches.begin_promote(shelf.ledger, 1)
    server_of(shelf).is_down = True
    with working(shelf, first_retry_s=NEVER_S) as worker:
        until(lambda: worker._retry_at > 0)
        first, looks = worker._retry_at, 0
        while looks < 20:
            threading.Event().wait(0.05)
            looks += 1
        assert worker._retry_at == first
        server_of(shelf).is_down = False


def test_a_worker_without_the_lease_changes_nothing(shelf: Services) -> None:
    with working(shelf) as worker:
        taken = lease_row.acquire(
            shelf.ledger, "elsewhere", 3600, shelf.ledger.now() + timedelta(hours=1)
        )
        assert taken is not None
        until(lambda: worker._lease is None)
        shelf.server.set_live(1)
        send(shelf, event_records(1, 100))
        until(lambda: shelf.histories.recent("user1", 5))  # it still follows
        assert holds.current(shelf.ledger) is None
        assert journal_rows.last_seq(shelf.ledger) == 0
    assert lease_row.holder(shelf.ledger) == "elsewhere"


@pytest.fixture
def endless(fresh: Services) -> Services:
    """A first training that does not end by itself; without texts, it loads no encoder."""
    send(fresh, event_records(1, 200))
    settings = replace(fresh.settings, train=replace(fresh.settings.train, full_epochs=1_000_000))
    return replace(
        fresh,
        settings=replace(settings, worker=replace(settings.worker, lease_s=1.0)),
        launcher=open_launcher("process:", text_cache=fresh.paths.var / "texts"),
    )


def trained_by(services: Services) -> bool:
    """Return whether a training has got as far as its first checkpoint."""
    return has_file(services.paths.runs, "*/candidate.partial/checkpoint/*.safetensors")


def take_the_lease(services: Services) -> None:
    assert (
        lease_row.acquire(
            services.ledger, "elsewhere", 3600, services.ledger.now() + timedelta(hours=1)
        )
        is not None
    )


def test_losing_the_lease_ends_the_training(
    endless: Services,
) -> None:
    with working(endless) as worker:
        until(lambda: trained_by(endless))
        assert worker._under_way["cycle"].locked()
        take_the_lease(endless)
        until(lambda: not worker._under_way["cycle"].locked())
    unfinished = run_rows.open_run(endless.ledger)
    assert unfinished is not None
    assert unfinished.mode == "full"


def test_a_single_turn_ends_with_the_lease_and_says_who_has_it(endless: Services) -> None:
    assert run_once(endless).mode == "baseline"

    def take() -> None:
        until(lambda: trained_by(endless))
        take_the_lease(endless)

    thread = threading.Thread(target=take)
    thread.start()
    with pytest.raises(LeaseLost, match="elsewhere"):
        run_once(endless)
    thread.join()


def test_a_standby_takes_over_an_expired_lease(
    fresh: Services,
) -> None:
    """The interval is an hour: what happens, happens because the lease came."""
    impatient = replace(
        fresh,
        settings=replace(
            fresh.settings, worker=replace(fresh.settings.worker, lease_s=1.0, after_events=10_000)
        ),
    )
    assert lease_row.acquire(fresh.ledger, "elsewhere", NEVER_S, fresh.ledger.now()) is not None
    send(fresh, [*item_records(), *event_records(1, 200)])
    stale = (
        fresh.paths.journal / "segments" / "1-9-0123456789ab.parquet"
    )  # a copy of what the other host has merged or erased
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.touch()
    os.utime(stale, (1, 1))
    with working(impatient) as worker:
        until(lambda: not stale.exists())
        until(lambda: fresh.histories.recent("user1", 5))
        assert worker._lease is None
        assert journal_rows.last_seq(fresh.ledger) == 0
        lease_row.acquire(fresh.ledger, "elsewhere", 0.0, fresh.ledger.now())  # it expires now
        until(lambda: versions(fresh) == [0, 1])


def test_a_worker_waits_for_its_ledger_to_answer(shelf: Services) -> None:
    ledger = SwitchableLedger(shelf.ledger.engine)
    settings = replace(shelf.settings, worker=replace(shelf.settings.worker, lease_s=0.3))
    with working(replace(shelf, ledger=ledger, settings=settings)) as worker:
        until(lambda: worker._lease is not None)
        ledger.writes_left = 0
        for _ in range(3):
            assert ledger.refusals.acquire(timeout=LIMIT_S)
        ledger.writes_left = None
        shelf.server.set_live(1)
        until(lambda: holds.current(shelf.ledger) is not None)
    assert "job_errors" not in metric_rows.stored_metrics(shelf.ledger)


def test_a_machine_that_slept_catches_up_once(shelf: Services) -> None:
    """APScheduler's defaults drop a turn that is a second late."""
    with working(shelf) as worker:
        jobs = worker._scheduler.get_jobs()
        ids = {"cycle", "watch", "follow", "pictures", "posterior", "copy", "lease"}
        assert {job.id for job in jobs} == ids
        assert {(job.misfire_grace_time, job.coalesce, job.max_instances) for job in jobs} == {
            (None, True, 1)
        }
        assert {str(job.trigger.timezone) for job in jobs} == {"UTC"}


def test_one_worker_a_folder_and_the_second_names_the_first(fresh: Services) -> None:
    with only_one(fresh.paths.lock), pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
        run_once(fresh)
    with (
        held_lease(fresh.ledger, "another machine", 60),
        pytest.raises(LeaseLost, match="another machine"),
    ):
        run_once(fresh)
    assert run_once(fresh).outcome == "skipped"
    assert lease_row.holder(fresh.ledger) is None


def test_a_requested_full_retrain_is_the_next_run(fresh: Services) -> None:
    send(fresh, [*item_records(), *event_records(1, 200)])
    assert [run_once(fresh).mode for _ in range(2)] == ["baseline", "full"]
    full_request.request_full(fresh.ledger)
    run = run_once(fresh)
    assert (run.mode, run.outcome) == ("full", "published")
    assert run_once(fresh).outcome == "skipped"


def test_sigterm_ends_a_training_within_the_grace_period(fresh: Services, tmp_path: Path) -> None:
    send(fresh, event_records(1, 200))  # no texts: the trainer starts without the encoder
    program = (
        "import sys; from dataclasses import replace; from pathlib import Path; "
        "from cron.backends.launch.process import open_launcher; "
        "from cron.worker.worker import run_worker; from tests.workshop import open_workshop; "
        f"services = open_workshop(Path({str(tmp_path)!r})); "
        "train = replace(services.settings.train, full_epochs=1_000_000); "
        f"worker = replace(services.settings.worker, grace_s={GRACE_S}); "
        "slow = replace(services.settings, train=train, worker=worker); "
        "launcher = open_launcher(text_cache=services.paths.texts); "
        "sys.exit(run_worker(replace(services, settings=slow, launcher=launcher)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    ) as process:
        until(lambda: trained_by(fresh))
        started = time.monotonic()
        for again in range(20):  # people press Ctrl-C until it works
            process.send_signal(signal.SIGINT if again % 2 else signal.SIGTERM)
        _, log = process.communicate(timeout=2 * GRACE_S)
    assert process.returncode == 0, log
    assert time.monotonic() - started < GRACE_S
    assert versions(fresh) == [0]
    assert run_rows.open_run(fresh.ledger) is not None
    run = run_once(fresh)
    assert (run.mode, run.outcome, versions(fresh)) == ("full", "published", [0, 1])


def test_a_log_that_is_not_the_journals_is_reported_once(
    fresh: Services, caplog: pytest.LogCaptureFixture
) -> None:
    log = StrangeLog()
    with working(replace(fresh, log=log)):
        until(lambda: log.num_reads > 20)
    assert [record.getMessage() for record in caplog.records].count("histories not followed") == 1
    assert "job_errors" not in metric_rows.stored_metrics(fresh.ledger)


def test_a_log_that_cannot_be_read_is_not_tried_at_each_look(shelf: Services) -> None:
    """Enough events wait in it to call for a turn every twentieth of a second."""
    log = StrangeLog(backlog=1_000_000)
    with working(replace(shelf, log=log), first_retry_s=NEVER_S) as worker:
        until(lambda: worker._retry_at > 0)
        first, looks = worker._retry_at, log.num_looks
        until(lambda: log.num_reads > 20)
        assert worker._retry_at == first
        assert log.num_looks == looks
    assert [(run.reasons[0].name, run.count) for run in run_rows.newest(shelf.ledger, 1)] == [
        ("not_collected", 1)
    ]


def test_a_turn_that_is_due_while_one_is_under_way_is_counted(shelf: Services) -> None:
    slow = SlowLog(shelf.log)
    often = replace(shelf.settings, worker=replace(shelf.settings.worker, interval_s=0.05))
    with working(replace(shelf, settings=often, log=slow)):
        until(lambda: metric_rows.stored_metrics(shelf.ledger).get("overlapping_turns", 0) >= 2)
        slow.goes_on.set()
    assert "job_errors" not in metric_rows.stored_metrics(shelf.ledger)


def test_a_turn_that_came_too_late_is_counted(shelf: Services) -> None:
    """Our turns are never too late; if APScheduler thinks otherwise, it is visible."""
    with working(shelf) as worker:
        missed = JobExecutionEvent(EVENT_JOB_MISSED, "cycle", "default", shelf.ledger.now())
        worker._scheduler._dispatch_event(missed)
        assert metric_rows.stored_metrics(shelf.ledger)["missed_turns"] == 1
        worker._scheduler._dispatch_event(
            JobExecutionEvent(EVENT_JOB_MISSED, "follow", "default", shelf.ledger.now())
        )
        assert metric_rows.stored_metrics(shelf.ledger)["missed_turns"] == 1


def test_a_crontab_worker_takes_its_first_turn_at_once(
    shelf: Services,
) -> None:
    by_the_clock = replace(
        shelf.settings, worker=replace(shelf.settings.worker, cron="0 3 * * sun")
    )
    with working(replace(shelf, settings=by_the_clock)) as worker:
        until(lambda: run_rows.newest(shelf.ledger, 1))
        following = worker._scheduler.get_job("cycle").next_run_time
        assert (following.weekday(), following.hour, following.minute, following.utcoffset()) == (
            6,
            3,
            0,
            timedelta(0),
        )
