"""The cycle: collect → plan → snapshot → train → judge → archive → put → register → probe → set live → record.

Read `run_cycle` and `_publish` from top to bottom. Knows order, outcomes and what a crash leaves to
be continued; what a step does is `cron.cycle.stages`', what good enough means
`cron.gate.verdicts`'s, when a turn comes `cron.worker.worker`'s.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from cron.cycle import run_plan, stages
from cron.cycle.outlook import observe
from cron.cycle.plan import Skip, decide
from cron.cycle.probe import probe
from cron.cycle.retention import drop_version, tidy, tidy_records, trim_log
from cron.cycle.still_wanted import cancelled_when_unwanted, check_wanted
from cron.errors import (
    FreshetError,
    Held,
    JournalAhead,
    LeaseLost,
    LogGap,
    ServerRefused,
    Stopped,
    Superseded,
    Unanswered,
    Unavailable,
)
from cron.forgetting.erase_users import erase_forgotten
from cron.gate.verdicts import FEW_EVENTS, Verdict
from cron.journal.collect import bury, collect
from cron.journal.dead_letters import DeadLetters
from cron.ledger import lease_row, metric_rows, release_rows, run_rows
from cron.lineage import Lease, Manifest, Outcome, Reason, Run
from cron.metrics.ledger_metrics import REFUSED_BY, SANITY_ONLY
from cron.metrics.snapshot_metrics import hold_on_shift, store_metrics
from cron.ports import Batch
from cron.services import Services
from cron.serving import release
from cron.serving.restore import check_room, restore

log = logging.getLogger(__name__)

_SERVER_TRIES = 3  # a worker that was killed is READY again in 2 to 4 s
NOT_COLLECTED = "not_collected"  # the reason of a turn that could not read the log


def run_cycle(services: Services, lease: Lease, *, force_full: bool = False) -> Run:
    """Do one turn, or end the one that a crash left open (and then still do the full retrain that `force_full` asks for).

    Return the run with its outcome and reasons.

    Raise LeaseLost, Stopped, or Unavailable when another machine does not answer: the run then
    stays open and the next call continues it. Anything else that goes wrong ends the run as failed,
    and what is live stays so.
    """
    ledger = services.ledger
    services.metrics.turn_began()
    ahead = _newer_segments(services)
    if ahead is not None:
        return run_rows.record_skip(ledger, ahead, lease=lease)
    not_collected = _collect(
        services, lease
    )  # before all that needs the server: while that is away the log must not grow
    erase_forgotten(services, lease)
    with services.serving_lock:
        release.finish_switch(
            ledger, services.server, artifacts=lambda: services.artifacts, wait=services.stop.wait
        )
    run = run_rows.open_run(ledger)
    if run is not None:
        run = _carry_out(services, run, lease)
        if run.outcome != "abandoned" and (run.mode == "full" or not force_full):
            return run
        not_collected = _collect(services, lease)  # what came meanwhile
    if not_collected is not None:
        return _skip(services, not_collected, lease)
    state = observe(services, force_full=force_full)
    turn = decide(state, services.settings.worker)
    metric_rows.set_gauge(ledger, "refusals_in_a_row", state.num_unpublished)
    if turn.reason.name == "refusals":
        log.error("refused again and again", extra={"num_refusals": state.num_refusals})
    if isinstance(turn, Skip):
        return _skip(services, turn.reason, lease)
    supersedes = state.live.version if state.live is not None else None
    return _carry_out(
        services,
        run_rows.start(ledger, turn.mode, reason=turn.reason, supersedes=supersedes, lease=lease),
        lease,
    )


def _newer_segments(services: Services) -> Reason | None:
    """Return why nothing may be collected or trained: the store has records that the ledger, an older one, does not know."""
    try:
        services.journal.refuse_newer()
    except JournalAhead as error:
        log.error("the journal is ahead of the ledger", extra={"why": str(error)})
        return Reason(name=NOT_COLLECTED, ok=False, text=str(error))
    except FreshetError:  # the store is away, which the collection tells
        pass
    return None


def _collect(services: Services, lease: Lease) -> Reason | None:
    """Bring the log's records into the journal; return why not, when that could not be. Raise LeaseLost."""
    ledger, metrics = services.ledger, services.metrics
    try:
        new = collect(
            services.log,
            services.journal,
            ledger,
            lease,
            show=lambda batch: _look_at(services, batch),
        )
        metrics.log_emptied(new)
        trim_log(services)
    except LeaseLost:
        raise
    except LogGap as error:
        return Reason(name=NOT_COLLECTED, ok=False, text=_gap_explained(services, error))
    except FreshetError as error:
        return Reason(name=NOT_COLLECTED, ok=False, text=str(error))
    return None


def _gap_explained(services: Services, gap: LogGap) -> str:
    """Return what to do about records that the log has lost: what a crash left in the store may be the only copy of them."""
    try:
        services.journal.refuse_newer(is_log_trimmed=True)
    except FreshetError as error:
        return str(error)
    return str(gap)


def _look_at(services: Services, batch: Batch) -> None:
    """Note how long the records of a batch waited, and keep what was no record."""
    now = services.ledger.now()
    services.metrics.records_read(batch.records, now)
    bury(DeadLetters(services.paths.var / "dead-letters.jsonl"), batch.rejected, at=now)
    if batch.rejected:
        log.warning(
            "the log holds what is no record",
            extra={"num_rejected": len(batch.rejected), "why": batch.rejected[0].reason},
        )


def _skip(services: Services, reason: Reason, lease: Lease) -> Run:
    tidy_records(services, lease)
    return run_rows.record_skip(services.ledger, reason, lease=lease)


def _carry_out(services: Services, run: Run, lease: Lease) -> Run:
    """Take a run to its end, whatever that is."""
    turn = _Turn(services, run, lease)
    try:
        ended = _publish(turn)
    except (LeaseLost, Stopped, Unavailable):
        raise
    except Held as error:
        ended = turn.end("held", Reason(name="held", ok=False, text=str(error)))
    except Superseded as error:
        ended = turn.end("superseded", Reason(name="superseded", ok=False, text=str(error)))
    except stages.FilesGone as error:
        ended = turn.end(
            "abandoned", Reason(name="files_gone", ok=False, text=f"{error}; the run is given up")
        )
    except Exception as error:
        log.exception("run failed", extra={"run_id": run.run_id})
        ended = turn.end(
            "failed",
            Reason(name=type(error).__name__, ok=False, text=str(error) or type(error).__name__),
        )
    if ended.outcome != "published" and ended.version is not None:
        drop_version(services, ended.version)
    tidy(services, lease)
    return ended


def _publish(turn: _Turn) -> Run:
    services, run, lease = turn.services, turn.run, turn.lease
    plan = run_plan.from_output(
        turn.step("plan", lambda: run_plan.to_output(run_plan.settle(services, run)))
    )
    snapshot = turn.step("snapshot", lambda: stages.make_snapshot(services, run, plan))
    store_metrics(services.ledger, snapshot)
    hold_on_shift(
        services.ledger, snapshot, plan.fresh_range, limit=services.settings.gate.max_shift
    )
    turn.step("train", lambda: _train(turn))

    def judge() -> stages.Output:
        metric_rows.add_quality(services.ledger, stages.quality_of(services, run), lease=lease)
        return stages.verdict_to_output(stages.judge(services, run, plan))

    offline = stages.verdict_from_output(turn.step("judge", judge))
    metric_rows.set_gauge(
        services.ledger,
        SANITY_ONLY,
        float(any(reason.name == FEW_EVENTS for reason in offline.reasons)),
    )
    if not offline.accepted:
        return turn.end("refused", *offline.reasons, figures=offline)

    version = run_rows.allot_version(services.ledger, run.run_id, lease=lease)
    pack = turn.step(
        "archive",
        lambda: stages.archive(services, run, plan, version=version, figures=offline.figures),
    )
    manifest = stages.manifest_from_output(pack)

    def put() -> stages.Output:
        stages.put(services, run, manifest)
        release_rows.add(services.ledger, manifest, lease=lease)
        return {}

    turn.step("put", put)
    if not _was_live(services, manifest):
        online = _go_live(turn, manifest)
        if not online.accepted:
            return turn.end("refused", *offline.reasons, *online.reasons, figures=offline)
    probed = run_rows.step_output(services.ledger, run.run_id, "probe")
    reasons = [
        *offline.reasons,
        *(stages.verdict_from_output(probed).reasons if probed is not None else ()),
    ]
    return turn.end("published", *reasons, figures=offline)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A run being carried out: its steps, recorded, and its end."""

    services: Services
    run: Run
    lease: Lease

    def step(self, name: str, work: Callable[[], stages.Output]) -> stages.Output:
        """Return what the step recorded, doing its work only when it did not finish before."""
        known = run_rows.step_output(self.services.ledger, self.run.run_id, name)
        return known if known is not None else self.again(name, work)

    def again(self, name: str, work: Callable[[], stages.Output]) -> stages.Output:
        """Do a step's work even when it was done before: the server may have been restarted since. The first record stays."""
        if self.services.stop.is_set():
            raise Stopped
        check_wanted(self.services, self.run, self.lease)
        started = time.monotonic()
        output = work()
        seconds = time.monotonic() - started
        run_rows.record_step(
            self.services.ledger, self.run.run_id, name, output, seconds=seconds, lease=self.lease
        )
        self.services.metrics.step_done(name, seconds)
        log.info("step done", extra={"run_id": self.run.run_id, "step": name})
        return output

    def end(self, outcome: Outcome, *reasons: Reason, figures: Verdict | None = None) -> Run:
        """Record the run's outcome."""
        values = dict(figures.figures) if figures is not None else {}
        if outcome == "refused":
            for reason in (reason for reason in reasons if not reason.ok):
                metric_rows.count(self.services.ledger, f"{REFUSED_BY}{reason.name}")
        return run_rows.finish(
            self.services.ledger,
            self.run.run_id,
            outcome,
            reasons=reasons,
            metrics=values,
            lease=self.lease,
        )


def _train(turn: _Turn) -> stages.Output:
    """Train, unless the result would find no room; a server that does not answer is asked again when the version is to be loaded."""
    services, run, lease = turn.services, turn.run, turn.lease
    with suppress(Unavailable):
        check_room(services.server)
    try:
        with cancelled_when_unwanted(services, run, lease):
            return stages.train(services, run)
    except Stopped:
        if services.stop.is_set():
            raise
    check_wanted(services, run, lease)
    with cancelled_when_unwanted(services, run, lease):
        return stages.train(services, run)  # the cancellation was meant for an earlier training


def _go_live(turn: _Turn, manifest: Manifest) -> Verdict:
    """Register, probe and switch, from the start again when the server fails; return the verdict.

    A worker that died is READY again, or loaded again, when the registration returns. Raise what
    the last try raised: a fault of the machinery is no verdict on the model.
    """
    stop, pause_s = turn.services.stop, turn.services.settings.worker.poll_s
    for tries_left in reversed(range(_SERVER_TRIES)):
        try:
            return _try_to_go_live(turn, manifest)
        except (ServerRefused, Unanswered) as error:
            if not tries_left or not _may_pass(error):
                raise
            log.warning(
                "the server is tried again", extra={"run_id": turn.run.run_id, "why": str(error)}
            )
        if stop.wait(pause_s):
            raise Stopped
    raise AssertionError("the last try returns or raises")


def _try_to_go_live(turn: _Turn, manifest: Manifest) -> Verdict:
    """Register and probe a version, and switch to it when it is accepted."""
    services, run, lease = turn.services, turn.run, turn.lease

    def probe_it() -> stages.Output:
        golden = stages.golden(services, run)
        return stages.verdict_to_output(
            probe(services.server, manifest.version, golden, services.settings.gate)
        )

    turn.again("register", lambda: _register(services, manifest, lease))
    online = stages.verdict_from_output(turn.again("probe", probe_it))
    if online.accepted:
        turn.again("set_live", lambda: _set_live(services, manifest, lease))
    return online


def _may_pass(error: ServerRefused | Unanswered) -> bool:
    """Tell whether a repetition may help.

    409 is a version without a READY worker, 200 one that lost it while it was registered.
    """
    return isinstance(error, Unanswered) or error.status >= 500 or error.status in (200, 409)


def _was_live(services: Services, manifest: Manifest) -> bool:
    """Tell whether a crash came after the switch; if a person has rolled back since, that stands."""
    return release_rows.is_release(services.ledger, manifest.version)


def _register(services: Services, manifest: Manifest, lease: Lease) -> stages.Output:
    """Register the version, after the live one: the first version of an empty server becomes its default."""
    with services.serving_lock:
        restore(services)
    if manifest.version not in {found.version for found in services.server.versions()}:
        check_room(services.server)
    lease_row.check(services.ledger, lease)
    services.server.register(manifest.version, release.archive_url(services.artifacts, manifest))
    return {}


def _set_live(services: Services, manifest: Manifest, lease: Lease) -> stages.Output:
    with services.serving_lock:
        release.publish(
            services.ledger,
            services.server,
            manifest.version,
            expected=manifest.supersedes,
            lease=lease,
        )
    return {}
