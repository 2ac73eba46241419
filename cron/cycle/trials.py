"""The trial of an accepted candidate: started, looked at in each turn, and ended.

While it goes on its run stays open, so a killed worker or a successor continues it. Further
candidates wait: one that replaced it would begin the comparison again, and with a cycle of minutes
no canary would ever come to an end. `release.trial_max_s` bounds how long the weights learn
nothing new.

A baseline, and a release that only has new items, are live at once: the first has nothing to be
compared with, the second has the weights of the live one. The baseline's successor is live at once
too.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from cron.cycle.experiments import MIN_AGE_S, is_due
from cron.cycle.going_live import bring_up
from cron.cycle.open_run import OpenRun
from cron.cycle.steps import stored_value
from cron.cycle.still_wanted import check_wanted
from cron.errors import TooManySideVersions
from cron.experiments.canary_verdict import NAME, CanaryRules, judge_canary
from cron.gate.verdict import Verdict
from cron.ledger import experiment_rows, journal_rows, release_rows, run_rows, side_rows, trial_rows
from cron.ledger.experiment_rows import MeasuredArms
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Manifest, Outcome, Reason
from cron.metrics.measured_arms import with_answers
from cron.services import Services
from cron.settings.tree import ReleaseSettings
from cron.trial import NEEDED_BY, CandidateTrial, ShadowCounts, TrialVerdict
from cron.visitor_days.measure import measure

log = logging.getLogger(__name__)

STEP = "trial"
_AT_ONCE = Verdict(reasons=(), metrics={})
_VERDICTS: dict[Outcome, TrialVerdict] = {"published": "promoted", "refused": "taken_back"}


def try_on_users(open_run: OpenRun, manifest: Manifest) -> Verdict | None:
    """Begin, continue or end a candidate's trial; return its verdict, or None while it goes on.

    Without a trial the verdict has no reasons. Raise what bringing a version up raises, and Held,
    Superseded or LeaseLost when the run is no longer wanted.
    """
    services, run = open_run.services, open_run.run
    stored = stored_value(services.ledger, run.run_id, STEP, Verdict)
    if stored is not None:
        return stored
    trial = trial_rows.find(services.ledger, manifest.version)
    if trial is None:
        if not _is_to_be_tried(services, manifest):
            return _AT_ONCE
        online = bring_up(open_run, manifest)
        if not online.is_accepted:
            return online
        try:
            trial = _start(open_run, manifest)
        except TooManySideVersions as error:
            reason = Reason(name=NAME, ok=True, text=f"promoted by the gate alone: {error}")
            return open_run.repeat(STEP, lambda: Verdict(reasons=(reason,), metrics={}))
    check_wanted(services.ledger, services.serving_lock, run, open_run.lease)
    verdict = _look(services, trial, open_run.lease)
    if verdict is None:
        return None
    return open_run.repeat(STEP, lambda: verdict)


def settle_trial(ledger: Ledger, *, lease: Lease) -> None:
    """End a trial whose run has ended, whatever its outcome; its version may be unloaded then."""
    trial = trial_rows.running(ledger)
    if trial is not None:
        run = run_rows.one(ledger, trial.run_id)
        if run.outcome is None:
            return
        why = run.reasons[-1].text if run.reasons else run.outcome
        verdict = _VERDICTS.get(run.outcome, "dropped")
        trial_rows.end(ledger, trial.version, verdict, why, lease=lease)
        log.info("trial ended", extra={"version": trial.version, "verdict": verdict, "why": why})
    if any(one.needed_by == NEEDED_BY for one in side_rows.every(ledger)):
        side_rows.remove(ledger, NEEDED_BY, lease=lease)


def _is_to_be_tried(services: Services, manifest: Manifest) -> bool:
    settings = services.settings.release
    if settings.canary_share == 0 and settings.shadow_share == 0:
        return False
    if manifest.mode in ("baseline", "items") or manifest.supersedes is None:
        return False
    live = release_rows.release(services.ledger, manifest.supersedes)
    return live.manifest.mode != "baseline"


def _start(open_run: OpenRun, manifest: Manifest) -> CandidateTrial:
    services, lease = open_run.services, open_run.lease
    ledger, settings = services.ledger, services.settings.release
    assert manifest.supersedes is not None, "only a release with a predecessor is tried"
    side_rows.add(
        ledger, manifest.version, NEEDED_BY, limit=settings.max_side_versions, lease=lease
    )
    trial = CandidateTrial(
        version=manifest.version,
        run_id=open_run.run.run_id,
        live=manifest.supersedes,
        canary_share=settings.canary_share,
        shadow_share=settings.shadow_share,
        after_seq=journal_rows.last_seq(ledger),
        started_at=ledger.now(),
    )
    log.info("trial started", extra={"version": trial.version, "run_id": trial.run_id})
    return trial_rows.start(ledger, trial, lease=lease)


def _look(services: Services, trial: CandidateTrial, lease: Lease) -> Verdict | None:
    """Measure and judge a trial; return None while it goes on."""
    ledger, settings = services.ledger, services.settings.release
    if trial.started_at > ledger.now():  # a clock that was set back must not put off its end
        trial = trial_rows.begin_now(ledger, trial, lease=lease)
    age_s = (ledger.now() - trial.started_at).total_seconds()
    shadow = _shadow_reasons(trial, trial_rows.shadow(ledger, trial.version))
    if trial.asked is not None:
        asked = Reason(name=NAME, ok=trial.asked.verdict == "promoted", text=trial.asked.why)
        return Verdict(reasons=(*shadow, asked), metrics={})
    if trial.canary_share == 0:
        is_over = age_s >= settings.trial_min_s
        return Verdict(reasons=shadow, metrics={}) if is_over else None
    arms = with_answers(
        _measure_arms(services, trial, age_s=age_s, lease=lease),
        experiment_rows.answers(ledger, trial.name),
    )
    rules = CanaryRules(
        tolerated=settings.canary_tolerance,
        min_s=settings.trial_min_s,
        max_s=settings.trial_max_s,
    )
    verdict = judge_canary(arms, rules, age_s=age_s)
    if verdict.decision == "wait":
        return None
    return Verdict(reasons=(*shadow, verdict.reason), metrics={})


def _measure_arms(
    services: Services, trial: CandidateTrial, *, age_s: float, lease: Lease
) -> MeasuredArms:
    """Return the arms' sums: as they are now, or of a moment ago in a busy shop."""
    ledger, settings = services.ledger, services.settings
    last = trial_rows.measured_arms(ledger, trial.version)
    min_age_s = _min_age_s(settings.release)
    is_last_look = age_s >= settings.release.trial_max_s
    if (
        last is not None
        and not is_last_look
        and not is_due(last, ledger.now(), min_age_s=min_age_s)
    ):
        return last
    began = time.perf_counter()
    found = measure(services.journal, ledger, trial.experiment, settings.reward, lease)
    measured = replace(found, seconds=time.perf_counter() - began)
    trial_rows.store_measured(ledger, trial.version, measured, lease=lease)
    return measured


def _min_age_s(settings: ReleaseSettings) -> float:
    return min(MIN_AGE_S, settings.trial_min_s)


def _shadow_reasons(trial: CandidateTrial, counts: ShadowCounts) -> tuple[Reason, ...]:
    """Say how far the candidate's lists agree with the live release's; that is no test."""
    if trial.shadow_share == 0:
        return ()
    overlap, ranked = counts.mean_overlap, counts.mean_rank_overlap
    if overlap is None or ranked is None:
        return (
            Reason(
                name="shadow", ok=True, text=f"shadow: no list was compared{_loss_text(counts)}"
            ),
        )
    ratio = counts.latency_ratio
    latency = f", in {ratio:.2f} times its time" if ratio is not None else ""
    text = (
        f"shadow: {counts.num_compared:,} lists share {overlap:.0%} of their items with version"
        f" {trial.live}'s (rank-biased overlap {ranked:.2f}){latency}{_loss_text(counts)}"
    )
    return (Reason(name="shadow", ok=True, text=text, value=overlap),)


def _loss_text(counts: ShadowCounts) -> str:
    lost = f"; {counts.num_errors:,} got no answer" if counts.num_errors else ""
    return (
        f"{lost}; {counts.num_dropped:,} were left out under load" if counts.num_dropped else lost
    )
