"""The worker: when turns come, and what happens beside them: reconciling, following, holding the lease, ending in time.

Four jobs on APScheduler: `cycle` (an interval or a crontab line; sooner when enough events wait),
`watch`, `follow`, `lease`. What a turn does is `cron.cycle.cycle`'s. Everything here may be killed
at any moment.
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
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cron.cycle.cycle import NOT_COLLECTED, run_cycle
from cron.cycle.outlook import num_new_events
from cron.cycle.signing_key import signing_key
from cron.errors import LeaseLost, LogGap, ServerRefused, Stopped, StoreError, Unavailable
from cron.journal.follow import follow_once, must_rebuild, rebuild
from cron.ledger import journal_rows, lease_row, metric_rows
from cron.lineage import Lease, Run
from cron.local.beside import repeated
from cron.logs import set_up_logs
from cron.services import Services
from cron.serving.reconcile import Reconciler
from cron.worker.lease import held_lease, holder_of, only_one
from cron.worker.metrics_page import served
from cron.worker.wall_clock import watch_clock

log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LAST_RETRY_S = 5.0, 60.0  # after another machine did not answer
_ENDING = (signal.SIGTERM, signal.SIGINT)
_EXIT_MARGIN_S = 1.0  # of the grace period, to let go of lock and lease


def run_worker(services: Services) -> int:
    """Work until SIGTERM or SIGINT; return the exit status. Raise AlreadyRunning when this folder has a worker."""
    set_up_logs()
    if services.settings.release.sign_archives:
        signing_key(services.paths.var)  # made or refused now, not after the first training
    with only_one(services.paths.lock), served(services), _told_to_end() as wait_until_told:
        worker = Worker(services)
        worker.start()
        wait_until_told()
        if not worker.end(services.settings.worker.grace_s - _EXIT_MARGIN_S):
            # A step that can't be cut short (loading a version, say) is left as a kill would leave
            # it; the next start goes on.
            sys.stderr.flush()
            os._exit(0)
    return 0


def run_once(services: Services, *, force_full: bool = False) -> Run:
    """Do one turn now, alone; raise AlreadyRunning or LeaseLost when a worker is at it."""
    ledger, ttl_s = services.ledger, services.settings.worker.lease_s
    with (
        only_one(services.paths.lock),
        held_lease(ledger, holder_of(services.paths.var), ttl_s) as lease,
        renewing(services, lease),
    ):
        return run_cycle(services, lease, force_full=force_full)


@contextmanager
def _told_to_end() -> Iterator[Callable[[], None]]:
    """Yield a call that waits for SIGTERM or SIGINT.

    The handlers do nothing; Python writes a signal's number to a socket, and that is waited for. A
    handler that set an Event would wait for ever for the Event's own lock when it interrupts a
    thread that holds it, as a second signal during the end may.
    """
    told, teller = socket.socketpair()
    with told, teller:
        teller.setblocking(False)
        signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
        for number in _ENDING:
            signal.signal(number, lambda *_: None)

        def wait() -> None:
            while told.recv(1)[0] not in _ENDING:
                pass

        try:
            yield wait
        finally:
            signal.set_wakeup_fd(-1)


class Worker:
    """The jobs, and what they know of each other."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._holder = holder_of(services.paths.var)
        self._lease: Lease | None = None
        services.metrics.watch_lease(lambda: self._lease is not None)
        self._reconciler = Reconciler(services)
        self._under_way: dict[str, threading.Lock] = {}  # by job; held while it is
        self._left_in_journal = 0  # events that the last published release did not take
        self._retry_s = _FIRST_RETRY_S
        self._retry_at = 0.0  # by time.monotonic(); before it, waiting events call for no turn
        self._refusal = ""  # why the server would not be looked at, as told last
        self._gap = ""  # why the histories can't be followed, as it was told last
        self._rebuild_at = 0.0  # by time.monotonic(); before it, they are not looked at
        self._scheduler = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(4)}
        )

    def start(self) -> None:
        """Start the jobs; the first turn comes at once."""
        settings = self._services.settings.worker
        self._keep_lease()
        turn = (
            CronTrigger.from_crontab(settings.cron, timezone=UTC)
            if settings.cron
            else IntervalTrigger(seconds=settings.interval_s, timezone=UTC)
        )
        self._add("cycle", self._turn, turn)
        self._add("watch", self._watch, IntervalTrigger(seconds=settings.poll_s, timezone=UTC))
        self._add("follow", self._follow, IntervalTrigger(seconds=settings.poll_s, timezone=UTC))
        self._add(
            "lease", self._keep_lease, IntervalTrigger(seconds=settings.lease_s / 3, timezone=UTC)
        )
        self._scheduler.add_listener(
            self._on_trouble, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        )
        self._scheduler.start()
        threading.Thread(
            target=watch_clock, args=(self._catch_up, self._services.stop), daemon=True
        ).start()
        log.info("worker started", extra={"pid": os.getpid(), "holder": self._holder})

    def end(self, within_s: float) -> bool:
        """Stop the jobs; tell whether those under way ended in time. A training is ended, its checkpoint stays."""
        self._services.stop.set()
        self._services.launcher.stop()
        self._scheduler.shutdown(wait=False)
        ends_at = time.monotonic() + within_s
        ended = all(
            _is_free(lock, ends_at) for lock in self._under_way.values()
        )  # each of them writes, under lock and lease
        if ended and self._lease is not None:
            with suppress(Unavailable):  # it runs out by itself
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
            next_run_time=datetime.now(UTC),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )

    def _catch_up(self, by_s: float) -> None:
        """Run every job now: the clock was set back, and APScheduler, which plans by it, would wait for as long."""
        log.warning("the clock was set back", extra={"by_s": by_s})
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))

    def _turn(self) -> None:
        lease = self._lease
        if lease is None:
            return
        try:
            self._after(run_cycle(self._services, lease))
        except Unavailable as error:
            log.warning("turn put off", extra={"why": str(error), "retry_s": self._retry_s})
            self._retry_later()
        except Stopped:
            return
        except LeaseLost as error:
            self._lose(lease, error)

    def _after(self, run: Run) -> None:
        """Note what is left to do; a baseline is followed by the first training at once."""
        if run.outcome == "skipped" and run.reasons[0].name == NOT_COLLECTED:
            self._retry_later()
            return
        self._retry_s = _FIRST_RETRY_S
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
        """Compare ledger and server, and look whether enough events wait for a turn."""
        lease = self._lease
        if lease is None:
            return
        try:
            lease_row.check(self._services.ledger, lease)
            self._look_at_server()
        except LeaseLost as error:
            self._lose(lease, error)
            return
        except (
            Unavailable
        ):  # a server that is down is seen by everybody; it is looked at again in a second
            pass
        if self._under_way["cycle"].locked() or time.monotonic() < self._retry_at:
            return
        with suppress(Unavailable):
            waiting = (
                self._services.log.backlog(journal_rows.log_cursor(self._services.ledger))
                + self._left_in_journal
            )
            if waiting >= self._services.settings.worker.after_events:
                self._wake(0.0)

    def _look_at_server(self) -> None:
        """Reconcile once; a server that refuses, for want of the right key say, is told of once, and looked at again."""
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
        if time.monotonic() < self._rebuild_at:
            return
        try:
            is_lost = must_rebuild(services.journal, services.histories)
            try:
                while not (is_lost or services.stop.is_set()) and follow_once(
                    services.log, services.histories
                ):
                    pass
            except (
                LogGap
            ):  # the log was trimmed past the histories' place, and the journal has what is gone
                is_lost = True
            if is_lost:
                self._rebuild()
        except Unavailable as error:
            log.warning("histories not followed", extra={"why": str(error)})

    def _rebuild(self) -> None:
        """Make the histories anew; when the log is not the journal's, or that is not whole, say so once: a person has to look."""
        services = self._services
        try:
            rebuild(services.journal, services.log, services.histories)
            self._gap = ""
        except (LogGap, StoreError) as error:
            if self._gap != str(error):
                log.error("histories not followed", extra={"why": str(error)})
            self._gap = str(error)
            if isinstance(error, StoreError):  # to find it, all of the journal was read
                self._rebuild_at = time.monotonic() + _LAST_RETRY_S

    def _keep_lease(self) -> None:
        """Renew the lease, or try to get it; a standby that gets it has its first turn at once."""
        if self._services.stop.is_set():
            return
        ledger, ttl_s, lease = (
            self._services.ledger,
            self._services.settings.worker.lease_s,
            self._lease,
        )
        try:
            if lease is not None:
                lease_row.renew(ledger, lease, ttl_s, lease_row.clock(ledger))
                return
            self._lease = lease_row.acquire(ledger, self._holder, ttl_s, lease_row.clock(ledger))
            if self._lease is None:
                log.info("waiting for the lease", extra={"holder": lease_row.holder(ledger)})
                self._services.journal.delete_stale_copies()  # the holder sweeps its own disk only
            elif self._scheduler.running:
                log.info("lease taken", extra={"token": self._lease.token})
                self._wake(0.0)
        except LeaseLost as error:
            assert lease is not None
            self._lose(lease, error)
        except (Unavailable, StoreError) as error:
            log.warning("lease not renewed", extra={"why": str(error)})

    def _lose(self, lease: Lease, error: LeaseLost) -> None:
        """Stand by. A training under that lease ends now, for another worker makes the same; anything else ends at its next write."""
        if self._lease == lease:  # another job may have taken a new one already
            self._lease = None
            self._services.launcher.cancel()
            log.warning("lease lost", extra={"why": str(error)})

    def _on_trouble(self, event: JobEvent) -> None:
        """Count what APScheduler would only log; a turn that died unexpectedly is tried again, later each time."""
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
            log.info("a turn is left out", extra={"why": why})
            self._count(why)

    def _count(self, name: str) -> None:
        with suppress(Unavailable):
            metric_rows.count(self._services.ledger, name)

    def _retry_later(self) -> None:
        """Try the turn again after a while, twice as long each time."""
        self._retry_at = time.monotonic() + self._retry_s
        self._wake(self._retry_s)
        self._retry_s = min(2 * self._retry_s, _LAST_RETRY_S)

    def _wake(self, after_s: float) -> None:
        if not self._services.stop.is_set():
            self._scheduler.modify_job(
                "cycle", next_run_time=datetime.now(UTC) + timedelta(seconds=after_s)
            )


def _is_free(lock: threading.Lock, ends_at: float) -> bool:
    """Wait for a lock until a time by `time.monotonic`; tell whether nobody held it then."""
    if not lock.acquire(timeout=max(0.0, ends_at - time.monotonic())):
        return False
    lock.release()  # a job that begins after the end sees at once that it has come
    return True


@contextmanager
def renewing(services: Services, lease: Lease) -> Iterator[None]:
    """Renew a lease beside a long piece of work; when it is lost, end a training under way and raise LeaseLost."""
    ledger, ttl_s = services.ledger, services.settings.worker.lease_s
    lost: list[LeaseLost] = []

    def renew() -> bool:
        try:
            with suppress(Unavailable):
                lease_row.renew(ledger, lease, ttl_s, lease_row.clock(ledger))
        except LeaseLost as error:  # anything else than a training is told at its next write
            lost.append(error)
            services.launcher.cancel()
        return not lost

    with repeated(renew, every_s=ttl_s / 3):
        try:
            yield
        except Stopped:
            if lost:
                raise lost[0] from None
            raise
