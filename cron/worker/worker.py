"""The worker: decides when a turn runs; reconciles the server and follows the log.

Seven jobs on APScheduler: `cycle` (an interval or a crontab line; sooner when enough events wait),
`watch`, `follow`, `pictures`, `posterior`, `copy`, `lease`. `cron.cycle.cycle` does the work of a
turn. The process may be killed at any moment.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, timedelta
from functools import partial

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cron.cycle.collecting import NOT_COLLECTED
from cron.cycle.cycle import run_cycle
from cron.cycle.outlook import num_new_events
from cron.cycle.signing_key import signing_key
from cron.errors import LeaseLost, LogGap, ServerRefused, Stopped, StoreError, Unavailable
from cron.journal.copy_retries import CopyRetries
from cron.journal.follow import batch_limit, follow_once, must_rebuild, rebuild
from cron.journal.follow_items import ItemFollower
from cron.ledger import journal_rows, lease_row, metric_rows
from cron.lineage import Lease, Run
from cron.logs import set_up_logs
from cron.metrics.waiting import num_waiting_records
from cron.pictures.picture_turn import take_turn
from cron.posterior.learner import PosteriorLearner
from cron.services import Services
from cron.serving.reconcile import Reconciler
from cron.worker.copy_job import COPY_EVERY_S, copy_job
from cron.worker.lease import holder_of, only_one, working_alone
from cron.worker.metrics_page import serve_metrics
from cron.worker.picture_job import fetch_before_turn, picture_work
from cron.worker.wall_clock import watch_clock

log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LAST_RETRY_S = 5.0, 60.0  # after another machine did not answer
_ENDING = (signal.SIGTERM, signal.SIGINT)
_TRIAL_LOOK_S = 60.0  # while a candidate is on trial
_EXIT_MARGIN_S = 1.0  # of the grace period, to release lock and lease


def run_worker(services: Services) -> int:
    """Work until SIGTERM or SIGINT and return the exit status.

    Raise AlreadyRunning when this folder has a worker.
    """
    set_up_logs()
    if services.settings.release.sign_archives:
        signing_key(services.paths.var)  # fail now, not after the first training
    with (
        only_one(services.paths.lock),
        serve_metrics(services),
        _ending_signals() as wait_for_signal,
    ):
        worker = Worker(services)
        worker.start()
        wait_for_signal()
        if not worker.end(services.settings.worker.grace_s - _EXIT_MARGIN_S):
            # A step that cannot be interrupted (loading a version, for example) is abandoned as if
            # killed; the next start continues it.
            sys.stderr.flush()
            os._exit(0)
    return 0


def run_once(services: Services, *, force_full: bool = False) -> Run:
    """Run one turn now; raise AlreadyRunning or LeaseLost when a worker is running."""
    with working_alone(services) as lease:
        fetch_before_turn(services, lease)
        return run_cycle(services, lease, force_full=force_full)


@contextmanager
def _ending_signals() -> Iterator[Callable[[], None]]:
    """Yield a function that waits for SIGTERM or SIGINT.

    The handlers do nothing; Python writes each signal's number to a socket, and the function reads
    from it. A handler that sets an Event can deadlock: when it interrupts the thread that holds the
    Event's own lock, as a second signal during shutdown may, it waits for that lock forever.
    """
    numbers, writer = socket.socketpair()
    with numbers, writer:
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in _ENDING:
            signal.signal(number, lambda *_: None)

        def wait() -> None:
            while numbers.recv(1)[0] not in _ENDING:
                pass

        try:
            yield wait
        finally:
            signal.set_wakeup_fd(-1)


class Worker:
    """The seven jobs and the state that they share."""

    def __init__(self, services: Services, *, first_retry_s: float = _FIRST_RETRY_S) -> None:
        self._services = services
        self._now = services.ledger.now
        self._holder = holder_of(services.paths.var)
        self._lease: Lease | None = None
        services.metrics.watch_lease(lambda: self._lease is not None)
        self._reconciler = Reconciler(services)
        self._items = ItemFollower(
            item_records=services.item_records,
            counts=services.settings.train.signals.counts_for_popularity,
            now=self._now,
        )
        self._learner = PosteriorLearner(
            services.settings, services.ledger, services.log, services.journal.slates
        )
        self._under_way: dict[str, threading.Lock] = {}  # by job; locked while it runs
        self._left_in_journal = 0  # events that the last published release did not train on
        self._retry_s = self._first_retry_s = first_retry_s
        self._retry_at = 0.0  # by time.monotonic(); until then, waiting events start no turn
        self._refusal = ""  # why the server refused the worker, as last logged
        self._copies = CopyRetries()
        self._pictures = picture_work(services)
        self._scheduler = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(7)}
        )

    def start(self) -> None:
        """Start the jobs; the first turn runs at once."""
        settings = self._services.settings.worker
        self._keep_lease()
        turn: CronTrigger | IntervalTrigger
        if settings.cron:
            turn = CronTrigger.from_crontab(settings.cron, timezone=UTC)
        else:
            turn = IntervalTrigger(seconds=settings.interval_s, timezone=UTC)
        self._add("cycle", self._turn, turn)
        self._add("watch", self._watch, IntervalTrigger(seconds=settings.poll_s, timezone=UTC))
        self._add("follow", self._follow, IntervalTrigger(seconds=settings.poll_s, timezone=UTC))
        fetch = partial(self._do_leased, "pictures", partial(take_turn, self._pictures))
        self._add("pictures", fetch, IntervalTrigger(seconds=settings.poll_s, timezone=UTC))
        learn = partial(self._do_leased, "posterior", self._learner.update)
        every_s = self._services.settings.posterior.update_s
        self._add("posterior", learn, IntervalTrigger(seconds=every_s, timezone=UTC))
        write = partial(self._do_leased, "copy", copy_job(self._services))
        self._add("copy", write, IntervalTrigger(seconds=COPY_EVERY_S, timezone=UTC))
        renew = IntervalTrigger(seconds=settings.lease_s / 3, timezone=UTC)
        self._add("lease", self._keep_lease, renew)
        self._scheduler.add_listener(
            self._on_trouble, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        )
        self._scheduler.start()
        watched = (self._now, self._catch_up, self._services.stop)
        threading.Thread(target=watch_clock, args=watched, daemon=True).start()
        log.info("worker started", extra={"pid": os.getpid(), "holder": self._holder})

    def end(self, within_s: float) -> bool:
        """Stop the jobs and tell whether the running ones ended in time.

        A running training is ended; its checkpoint stays.
        """
        self._services.stop.set()
        self._services.launcher.stop()
        self._scheduler.shutdown(wait=False)
        ends_at = time.monotonic() + within_s
        # wait for all of them: each writes, and needs the lock and the lease
        ended = all(_is_free(lock, ends_at) for lock in self._under_way.values())
        if ended and self._lease is not None:
            with suppress(Unavailable):  # it expires by itself
                lease_row.release(self._services.ledger, self._lease)
        log.info("worker ended", extra={"jobs_ended": ended})
        return ended

    def _add(
        self, name: str, work: Callable[[], None], trigger: IntervalTrigger | CronTrigger
    ) -> None:
        self._under_way[name] = threading.Lock()

        def job() -> None:
            with self._under_way[name]:
                if not self._services.stop.is_set():
                    work()

        # misfire_grace_time: the default of 1 s silently drops a turn when the machine was busy or
        # asleep
        self._scheduler.add_job(
            job,
            trigger,
            id=name,
            name=name,
            next_run_time=self._now(),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )

    def _catch_up(self, by_s: float) -> None:
        """Run every job now: APScheduler plans by the clock, which was set back, and would wait."""
        log.warning("the clock was set back", extra={"by_s": by_s})
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=self._now())

    def _turn(self) -> None:
        lease = self._lease
        if lease is None:
            return
        try:
            self._after(run_cycle(self._services, lease))
        except Unavailable as error:
            log.warning("turn postponed", extra={"why": str(error), "retry_s": self._retry_s})
            self._retry_later()
        except Stopped:
            return
        except LeaseLost as error:
            self._lose(lease, error)

    def _after(self, run: Run) -> None:
        """Record what is left to do; after a baseline, start the first training at once."""
        if run.outcome == "skipped" and run.reasons[0].name == NOT_COLLECTED:
            self._retry_later()
            return
        self._retry_s = self._first_retry_s
        if run.outcome is None:
            self._left_in_journal = 0  # what waits is trained on after the trial
            self._wake(min(_TRIAL_LOOK_S, self._services.settings.worker.interval_s))
            return
        if run.outcome != "skipped":
            log.info(
                "run ended",
                extra={
                    "run_id": run.run_id,
                    "mode": run.mode,
                    "outcome": run.outcome,
                    "version": run.version,
                },
            )
        published = run.outcome == "published"
        self._left_in_journal = (
            num_new_events(self._services.ledger, self._services.journal) if published else 0
        )
        if published and run.mode == "baseline":
            self._wake(0.0)

    def _watch(self) -> None:
        """Compare ledger and server, and start a turn when enough events wait."""
        lease = self._lease
        if lease is None:
            return
        try:
            lease_row.check(self._services.ledger, lease)
            self._look_at_server()
        except LeaseLost as error:
            self._lose(lease, error)
            return
        except Unavailable:
            pass  # the server is down, which others report; the next look is a second away
        if self._under_way["cycle"].locked() or time.monotonic() < self._retry_at:
            return
        with suppress(Unavailable):
            ledger, needed = self._services.ledger, self._services.settings.worker.after_events
            backlog = self._services.log.backlog(journal_rows.log_cursor(ledger))
            if backlog + self._left_in_journal < needed:
                return
            if num_waiting_records(ledger, backlog) + self._left_in_journal >= needed:
                self._wake(0.0)

    def _look_at_server(self) -> None:
        """Reconcile once; log once when the server refuses, for example because of a wrong key."""
        refusal = ""
        try:
            self._reconciler.tick()
        except ServerRefused as error:
            refusal = str(error)
        if refusal and refusal != self._refusal:
            log.error("the server refuses the worker", extra={"why": refusal})
        self._refusal = refusal

    def _follow(self) -> None:
        services = self._services
        try:
            is_lost = must_rebuild(services.journal, services.histories)
            copy = partial(follow_once, services.log, services.histories, items=self._items)
            limit = batch_limit(services.settings.gateway.processes)
            try:
                while not (is_lost or services.stop.is_set()) and copy(limit=limit):
                    pass
            except LogGap:
                is_lost = True  # the log was trimmed past the histories; the journal has the rest
            if is_lost:
                self._copies.attempt(
                    "histories",
                    lambda: rebuild(services.journal, services.log, services.histories),
                )
            self._copies.attempt(
                "items", lambda: self._items.keep_up(services.journal, services.log)
            )
        except Unavailable as error:
            log.warning("histories not followed", extra={"why": str(error)})

    def _do_leased(self, name: str, work: Callable[[Lease], object]) -> None:
        """Do what only the lease's holder may do; what fails now is tried at the next time."""
        lease = self._lease
        if lease is None:
            return
        try:
            work(lease)
        except LeaseLost as error:
            self._lose(lease, error)
        except (Unavailable, StoreError) as error:
            log.warning("job postponed", extra={"job": name, "why": str(error)})

    def _keep_lease(self) -> None:
        """Renew the lease, or try to acquire it; a standby that gets it starts a turn at once."""
        if self._services.stop.is_set():
            return
        ledger, lease = self._services.ledger, self._lease
        ttl_s = self._services.settings.worker.lease_s
        try:
            if lease is not None:
                lease_row.renew(ledger, lease, ttl_s, lease_row.clock(ledger))
                return
            self._lease = lease_row.acquire(ledger, self._holder, ttl_s, lease_row.clock(ledger))
            if self._lease is None:
                log.info("waiting for the lease", extra={"holder": lease_row.holder(ledger)})
                # the holder deletes only those on its own disk
                self._services.journal.delete_stale_copies()
            elif self._scheduler.running:
                log.info("lease taken", extra={"token": self._lease.token})
                self._wake(0.0)
        except LeaseLost as error:
            assert lease is not None
            self._lose(lease, error)
        except (Unavailable, StoreError) as error:
            log.warning("lease not renewed", extra={"why": str(error)})

    def _lose(self, lease: Lease, error: LeaseLost) -> None:
        """Become a standby.

        A training under that lease is ended now, since another worker runs the same one; anything
        else ends at its next write.
        """
        if self._lease == lease:  # otherwise another job has acquired a new one
            self._lease = None
            self._services.launcher.cancel()
            log.warning("lease lost", extra={"why": str(error)})

    def _on_trouble(self, event: JobEvent) -> None:
        """Count what APScheduler would only log, and retry a turn that failed unexpectedly."""
        if event.code == EVENT_JOB_ERROR:
            log.error(
                "job failed",
                extra={"job": event.job_id, "why": repr(event.exception)},
                exc_info=event.exception,
            )
            if event.job_id == "cycle":
                self._retry_later()
            self._count("job_errors")
        elif event.job_id == "cycle":
            why = "missed_turns" if event.code == EVENT_JOB_MISSED else "overlapping_turns"
            log.info("turn not run", extra={"why": why})
            self._count(why)

    def _count(self, name: str) -> None:
        with suppress(Unavailable):
            metric_rows.count(self._services.ledger, name)

    def _retry_later(self) -> None:
        """Retry the turn after a delay that doubles each time."""
        self._retry_at = time.monotonic() + self._retry_s
        self._wake(self._retry_s)
        self._retry_s = min(2 * self._retry_s, _LAST_RETRY_S)

    def _wake(self, after_s: float) -> None:
        if not self._services.stop.is_set():
            self._scheduler.modify_job(
                "cycle", next_run_time=self._now() + timedelta(seconds=after_s)
            )


def _is_free(lock: threading.Lock, ends_at: float) -> bool:
    """Wait for a lock until `ends_at`, by `time.monotonic`; tell whether it was free by then."""
    if not lock.acquire(timeout=max(0.0, ends_at - time.monotonic())):
        return False
    lock.release()  # a job that starts after the end returns at once
    return True
