"""The cycle: collect → train → judge → archive → put → register → probe → set live → record.

Read `run_cycle` and `_publish` from top to bottom. They have the order of the steps, the outcomes,
and what is continued after a crash. `cron.cycle.stages` has the work of the steps, `cron.gate` what
is good enough, and `cron.worker.worker` when a turn comes.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta

from cron.cycle import release_files, stages
from cron.cycle.collecting import collect_records, refusal_to_collect
from cron.cycle.experiments import MIN_AGE_S, measure_experiments
from cron.cycle.exploration import measure_exploration
from cron.cycle.going_live import go_live
from cron.cycle.open_run import OpenRun
from cron.cycle.outlook import observe
from cron.cycle.plan import PlanState, Skip, decide
from cron.cycle.rented_machines import machines_for, stop_left_machines
from cron.cycle.retention import drop_version, tidy, tidy_records
from cron.cycle.run_plan import RunPlan, make_plan
from cron.cycle.steps import Done, Packed, Trained, stored_value
from cron.cycle.still_wanted import cancelled_when_unwanted, check_wanted
from cron.cycle.training_cost import record_training_cost
from cron.cycle.trials import settle_trial, try_on_users
from cron.errors import Held, LeaseLost, Stopped, Superseded, Unavailable
from cron.forgetting.erase_users import erase_forgotten
from cron.gate.tolerance import FEW_EVENTS
from cron.gate.verdict import Verdict
from cron.ledger import full_request, metric_rows, release_rows, run_rows
from cron.lineage import Lease, Manifest, Reason, Run, manifest_from_json
from cron.metrics.ledger_metrics import SANITY_ONLY
from cron.services import Services
from cron.serving import release
from cron.serving.restore import check_room
from cron.snapshot.shift_review import hold_on_shift, store_metrics
from cron.snapshot.snapshot import SnapshotInfo

log = logging.getLogger(__name__)


def run_cycle(services: Services, lease: Lease, *, force_full: bool = False) -> Run:
    """Do one turn and return its run with outcome and reasons.

    If a run is open, because of a crash or because its candidate is on trial, continue it; when it
    has ended, do the full retrain that `force_full` asks for. One that a person has requested
    meanwhile is done when no run is open. The outcome of a trial that goes on is None.

    Raise LeaseLost, Stopped, or Unavailable when another machine does not answer: the run then
    stays open and the next call continues it. Any other error ends the run as failed, and the live
    version stays.
    """
    ledger = services.ledger
    services.metrics.turn_began()
    stop_left_machines(services, lease)
    ahead = refusal_to_collect(services.journal)
    if ahead is not None:
        return run_rows.record_skip(ledger, ahead, lease=lease)
    # before everything that needs the server: the log must not grow while that is away
    not_collected = collect_records(services, lease)
    erase_forgotten(services, lease)
    _measure_experiments(services, lease)
    with services.serving_lock:
        release.finish_switch(
            ledger, services.server, artifacts=lambda: services.artifacts, wait=services.stop.wait
        )
    run = run_rows.open_run(ledger)
    if run is None:
        settle_trial(ledger, lease=lease)  # a crash may have come after the run's end
    else:
        run = _carry_out(services, run, lease)
        is_enough = run.mode == "full" or not force_full
        if run.outcome is None or (run.outcome != "abandoned" and is_enough):
            return run
        not_collected = collect_records(services, lease)  # what came meanwhile
    if not_collected is not None:
        return _skip(services, not_collected, lease)
    state = _plan_state(services, force_full=force_full or full_request.is_requested(ledger))
    turn = decide(state, services.settings.worker)
    metric_rows.set_gauge(ledger, "refusals_in_a_row", state.num_unpublished)
    if turn.reason.name == "refusals":
        log.error("refused again and again", extra={"num_refusals": state.num_refusals})
    if isinstance(turn, Skip):
        return _skip(services, turn.reason, lease)
    supersedes = state.live.version if state.live is not None else None
    run = run_rows.start(ledger, turn.mode, reason=turn.reason, supersedes=supersedes, lease=lease)
    if turn.mode == "full":
        full_request.has_begun(ledger)
    return _carry_out(services, run, lease)


def _plan_state(services: Services, *, force_full: bool) -> PlanState:
    return observe(
        services.ledger,
        services.journal,
        services.settings.train,
        force_full=force_full,
        schedule=services.settings.worker.full_schedule,
    )


def _measure_experiments(services: Services, lease: Lease) -> None:
    settings = services.settings
    measure_experiments(
        services.ledger,
        services.journal,
        settings.reward,
        lease,
        min_age_s=MIN_AGE_S,
        keep=timedelta(days=settings.slates.keep_days),
    )
    measure_exploration(services.ledger, services.journal, settings.reward, lease)


def _skip(services: Services, reason: Reason, lease: Lease) -> Run:
    tidy_records(services, lease)
    return run_rows.record_skip(services.ledger, reason, lease=lease)


def _carry_out(services: Services, run: Run, lease: Lease) -> Run:
    """Carry out a run to its end, whatever its outcome, or until its candidate is on trial."""
    open_run = OpenRun(services, run, lease)
    try:
        ended = _publish(open_run)
    except (LeaseLost, Stopped, Unavailable):
        raise
    except Held as error:
        ended = open_run.end("held", _failure("held", error))
    except Superseded as error:
        ended = open_run.end("superseded", _failure("superseded", error))
    except stages.FilesGone as error:
        text = f"{error}; the run is given up"
        ended = open_run.end("abandoned", Reason(name="files_gone", ok=False, text=text))
    except Exception as error:
        log.exception("run failed", extra={"run_id": run.run_id})
        ended = open_run.end("failed", _failure(type(error).__name__, error))
    if ended.outcome is None:  # its candidate is on trial
        tidy_records(services, lease)
        return ended
    settle_trial(services.ledger, lease=lease)
    if ended.outcome != "published" and ended.version is not None:
        drop_version(services.ledger, services.server, ended.version)
    tidy(services, lease)
    return ended


def _failure(name: str, error: Exception) -> Reason:
    return Reason(name=name, ok=False, text=str(error) or type(error).__name__)


def _publish(open_run: OpenRun) -> Run:
    services, run, lease = open_run.services, open_run.run, open_run.lease
    ledger = services.ledger
    plan = open_run.step(
        "plan", RunPlan, lambda: make_plan(ledger, services.journal, services.settings, run)
    )
    snapshot = open_run.step(
        "snapshot", SnapshotInfo, lambda: stages.make_snapshot(services, run, plan)
    )
    store_metrics(ledger, snapshot)
    hold_on_shift(ledger, snapshot.shift, plan.fresh_range, limit=services.settings.gate.max_shift)
    open_run.step("train", Trained, lambda: _train(open_run))
    offline = open_run.step("judge", Verdict, lambda: _judge(open_run, plan))
    is_sanity_only = any(reason.name == FEW_EVENTS for reason in offline.reasons)
    metric_rows.set_gauge(ledger, SANITY_ONLY, float(is_sanity_only))
    if not offline.is_accepted:
        return open_run.end("refused", *offline.reasons, metrics=offline.metrics)

    version = run_rows.allot_version(ledger, run.run_id, lease=lease)
    packed = open_run.step(
        "archive",
        Packed,
        lambda: stages.archive(services, run, plan, version=version, metrics=offline.metrics),
    )
    manifest = manifest_from_json(packed.manifest)
    open_run.step("put", Done, lambda: _store_archive(open_run, manifest))
    # A crash may have come after the switch; if a person has rolled back since, that stands.
    if not release_rows.is_release(ledger, manifest.version):
        tried = try_on_users(open_run, manifest)
        if tried is None:
            return run_rows.one(ledger, run.run_id)  # the next turn continues it
        if not tried.is_accepted:
            reasons = (*offline.reasons, *_reasons_of(open_run, "probe", "trial"))
            return open_run.end("refused", *reasons, metrics=offline.metrics)
        online = go_live(open_run, manifest)
        if not online.is_accepted:
            reasons = (*offline.reasons, *online.reasons)
            return open_run.end("refused", *reasons, metrics=offline.metrics)
    reasons = (*offline.reasons, *_reasons_of(open_run, "probe", "trial"))
    return open_run.end("published", *reasons, metrics=offline.metrics)


def _reasons_of(open_run: OpenRun, *steps: str) -> tuple[Reason, ...]:
    """Return the reasons of the verdicts that steps stored."""
    reasons: list[Reason] = []
    for step in steps:
        verdict = stored_value(open_run.services.ledger, open_run.run.run_id, step, Verdict)
        reasons += verdict.reasons if verdict is not None else ()
    return tuple(reasons)


def _train(open_run: OpenRun) -> Trained:
    """Train, unless the result would have no room on the server.

    A server that does not answer is asked again when the version is to be loaded.
    """
    services, run, lease = open_run.services, open_run.run, open_run.lease
    with suppress(Unavailable):
        check_room(services.server)
    try:
        return _train_once(open_run)
    except Stopped:
        if services.stop.is_set():
            raise
    check_wanted(services.ledger, services.serving_lock, run, lease)
    return _train_once(open_run)  # the cancellation was meant for an earlier training


def _train_once(open_run: OpenRun) -> Trained:
    """Train, and record what it took, however it ends."""
    services, run, lease = open_run.services, open_run.run, open_run.lease
    folder = stages.folder_of(services.paths, run)
    try:
        with (
            machines_for(services, run, folder, lease),
            cancelled_when_unwanted(services, run, lease),
        ):
            return stages.train(services, run)
    finally:
        with suppress(LeaseLost, Unavailable):  # what ended the training is more important
            record_training_cost(services, run, folder, lease)


def _judge(open_run: OpenRun, plan: RunPlan) -> Verdict:
    services, run = open_run.services, open_run.run
    quality = stages.quality_of(services.paths, services.ledger, run)
    metric_rows.add_quality(services.ledger, quality, lease=open_run.lease)
    return stages.judge(services, run, plan)


def _store_archive(open_run: OpenRun, manifest: Manifest) -> Done:
    services = open_run.services
    folder = stages.folder_of(services.paths, open_run.run)
    stages.store_archive(services.artifacts, folder, manifest)
    try:
        release_files.keep_copies(services.paths.bundles, folder / "candidate", manifest)
    except Unavailable as error:  # the next update fetches the artifacts instead
        log.warning("no copies kept", extra={"run_id": open_run.run.run_id, "why": str(error)})
    release_rows.add(services.ledger, manifest, lease=open_run.lease)
    return Done()
