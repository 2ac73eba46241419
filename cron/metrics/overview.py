"""An overview of the whole system for `status` and the status page.

It says what is live, what waits, what runs and how good the releases are. Reads the ledger, the
log's backlog and the trainer's progress file; changes nothing; does not load torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from cron.errors import FreshetError
from cron.experiments.exploration_price import PlacementPrice
from cron.ledger import (
    decision_rows,
    event_rows,
    exploration_rows,
    holds,
    journal_rows,
    metric_rows,
    posterior_rows,
    release_rows,
    rental_rows,
    run_rows,
    slate_rows,
)
from cron.ledger.event_rows import HourOfEvents
from cron.ledger.ledger import Ledger
from cron.ledger.posterior_rows import PosteriorState
from cron.ledger.slate_rows import SlateCounts
from cron.lineage import Decision, Hold, Quality, Release, Rental, Run, Spending
from cron.metrics.trial_reports import TrialReport, newest_trials, trial_json
from cron.metrics.waiting import num_waiting_records
from cron.ports import EventLog
from trainer.candidate_files import PROGRESS, partial_of
from trainer.codec import decode

NUM_RUNS = 30
NUM_QUALITY = 800  # about ten rows per run
NUM_RELEASES = 50
NUM_DECISIONS = 20
NUM_TRIALS = 3
NUM_HOURS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How far the trainer has come, where it runs, and how often it was started.

    Speed and time left are None outside the training's steps. `silent_s` are the seconds since it
    last wrote its progress, long after a machine was lost and until it has started again.
    """

    phase: str
    done: int
    total: int
    loss: float | None
    ranks: int = 1
    device: str | None = None
    starts: int = 1
    events_s: float | None = None
    left_s: float | None = None
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Records that the live weights have not learned from: uncollected, and in the journal.

    `in_log` leaves out slates, by estimate; it is None when the log does not answer.
    """

    in_log: int | None
    in_journal: int
    newest_event_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The whole system at one moment. Releases and runs newest first, quality oldest first."""

    at: datetime
    live: Release | None
    hold: Hold | None
    decisions: tuple[Decision, ...]  # newest first
    waiting: Waiting
    current: Run | None
    progress: RunProgress | None
    releases: tuple[Release, ...]
    runs: tuple[Run, ...]
    quality: tuple[Quality, ...]
    hours: tuple[HourOfEvents, ...]  # oldest first
    list_events: Mapping[int, Mapping[str, int]]  # of the releases, by version and type
    slates: SlateCounts  # of the last day
    trials: tuple[TrialReport, ...]  # newest first
    posterior: PosteriorState | None  # of the rewards of shown items
    exploration: tuple[PlacementPrice, ...]
    spent: Spending  # by the trainings of the last day
    rentals: tuple[Rental, ...]  # machines that were not stopped yet
    metrics: Mapping[str, float]  # the ledger's counters and gauges

    @property
    def judged_updates(self) -> tuple[Run, ...]:
        """The recent updates that the gate judged, newest first."""
        return tuple(
            run
            for run in self.runs
            if run.mode == "update" and run.outcome in ("published", "refused")
        )

    @property
    def num_accepted_updates(self) -> int:
        """The number of judged updates that were accepted."""
        return sum(run.outcome == "published" for run in self.judged_updates)


def look(ledger: Ledger, log: EventLog, runs_folder: Path, *, now: datetime) -> Overview:
    """Read everything."""
    seen = look_at_ledger(ledger, now=now)
    try:
        backlog = log.backlog(journal_rows.log_cursor(ledger))
        in_log: int | None = num_waiting_records(ledger, backlog)
    except FreshetError:
        in_log = None
    progress = None
    if seen.current is not None:
        progress = progress_of(seen.current, seen.rentals, runs_folder, now=now)
    return replace(seen, waiting=replace(seen.waiting, in_log=in_log), progress=progress)


def look_at_ledger(
    ledger: Ledger, *, now: datetime, num_releases: int | None = NUM_RELEASES
) -> Overview:
    """Read the ledger only, without log and progress; `num_releases` of the newest releases."""
    live = release_rows.live(ledger)
    runs = run_rows.newest(ledger, NUM_RUNS)
    learned = live.manifest.trained_through if live else 0
    releases = tuple(reversed(release_rows.newest_releases(ledger, num_releases)))
    newest = max((segment.last_at for segment in journal_rows.segments(ledger)), default=None)
    return Overview(
        at=now,
        live=live,
        hold=holds.current(ledger),
        decisions=decision_rows.newest(ledger, NUM_DECISIONS),
        waiting=Waiting(
            in_log=None,
            in_journal=max(0, journal_rows.last_seq(ledger) - learned),
            newest_event_at=newest,
        ),
        current=next((run for run in runs if run.outcome is None), None),
        progress=None,
        releases=releases,
        runs=runs,
        quality=metric_rows.newest_quality(ledger, NUM_QUALITY),
        hours=event_rows.newest_hours(ledger, num_hours=NUM_HOURS, now=now),
        list_events=event_rows.of_releases(ledger, [one.version for one in releases]),
        slates=slate_rows.counts_of_day(ledger, now=now),
        trials=newest_trials(ledger, NUM_TRIALS),
        posterior=posterior_rows.state(ledger),
        exploration=exploration_rows.every(ledger),
        spent=run_rows.spent_since(ledger, now - timedelta(days=1)),
        rentals=rental_rows.running(ledger),
        metrics=metric_rows.stored_metrics(ledger),
    )


def progress_of(
    run: Run, rentals: Iterable[Rental], runs_folder: Path, *, now: datetime
) -> RunProgress | None:
    """Return how far a run's training is, or how many of its machines have joined."""
    for rental in rentals:
        if rental.run_id == run.run_id and rental.joined_at is None:
            noun = "machine" if rental.num_asked == 1 else "machines"
            return RunProgress(
                phase=f"waiting for {rental.num_asked} {noun}",
                done=min(rental.num_joined, rental.num_asked),
                total=rental.num_asked,
                loss=None,
            )
    return read_progress(runs_folder, run.run_id, now=now)


def read_progress(runs_folder: Path, run_id: int, *, now: datetime) -> RunProgress | None:
    """Read the trainer's progress file of a run; None while it is not training."""
    file = partial_of(runs_folder / str(run_id) / "candidate") / PROGRESS
    try:
        silent_s = max(0.0, round(now.timestamp() - file.stat().st_mtime, 1))
        return replace(decode(file.read_text(encoding="utf-8"), RunProgress), silent_s=silent_s)
    except (OSError, ValueError):  # missing, or renamed meanwhile
        return None


def panel_ndcg(overview: Overview, release: Release) -> float | None:
    """Return the NDCG@10 on the panel that a release's own run measured.

    None when it was not measured, or is older than the overview's rows.
    """
    run_id = release.manifest.run_id
    return next(
        (
            q.ndcg
            for q in overview.quality
            if q.kind == "panel" and q.model == "candidate" and q.run_id == run_id
        ),
        None,
    )


def to_json(overview: Overview) -> dict[str, object]:
    """Render the overview as JSON values; times are ISO 8601."""
    return {
        "at": overview.at.isoformat(),
        "live": _live_json(overview),
        "hold": _hold_json(overview.hold),
        "decisions": [_decision_json(decision) for decision in overview.decisions],
        "waiting": {
            "in_log": overview.waiting.in_log,
            "in_journal": overview.waiting.in_journal,
            "newest_event_at": _iso(overview.waiting.newest_event_at),
        },
        "current_run": _current_run_json(overview),
        "releases": [release_json(release, overview) for release in overview.releases],
        "updates": {
            "judged": len(overview.judged_updates),
            "accepted": overview.num_accepted_updates,
        },
        "runs": [run_json(run) for run in overview.runs],
        "quality": [_quality_json(quality) for quality in overview.quality],
        "events": [_hour_json(hour) for hour in overview.hours],
        "slates": {
            "last_day": overview.slates.num_slates,
            "fallbacks": overview.slates.num_fallbacks,
        },
        "trials": [trial_json(report) for report in overview.trials],
        "posterior": _posterior_json(overview.posterior),
        "exploration": [_price_json(one) for one in overview.exploration],
    }


def release_json(release: Release, overview: Overview) -> dict[str, object]:
    """Render a release with its metrics and, if its run is recent, the reasons of its verdict."""
    manifest = release.manifest
    run = next((run for run in overview.runs if run.run_id == manifest.run_id), None)
    return {
        "version": release.version,
        "live": overview.live is not None and overview.live.version == release.version,
        "mode": manifest.mode,
        "parent": manifest.parent,
        "published_at": release.published_at.isoformat(),
        "rolled_back_at": _iso(release.rolled_back_at),
        "trained_range": manifest.target_range,
        "num_items": manifest.num_items,
        "archive": manifest.archive,
        "archive_gone": release.archive_gone,
        "ndcg": panel_ndcg(overview, release),
        "figures": dict(manifest.metrics),
        "reasons": reasons_json(run) if run else [],
        "lists": _lists_json(overview.list_events.get(release.version, {})),
    }


def run_json(run: Run) -> dict[str, object]:
    """Render a run."""
    return {
        "run_id": run.run_id,
        "mode": run.mode,
        "outcome": run.outcome,
        "version": run.version,
        "started_at": run.started_at.isoformat(),
        "ended_at": _iso(run.ended_at),
        "count": run.count,
        "seconds": dict(run.seconds),
        "figures": {**run.metrics, **_cost_json(run)},
        "reasons": reasons_json(run),
    }


def _cost_json(run: Run) -> dict[str, float]:
    """Render what a run's training took, if it trained."""
    if run.device_s is None or run.cost is None:
        return {}
    return {"device_s": run.device_s, "cost": run.cost}


def reasons_json(run: Run) -> list[Mapping[str, object]]:
    """Render the reasons of a run."""
    return [msgspec.to_builtins(reason) for reason in run.reasons]


def _live_json(overview: Overview) -> dict[str, object] | None:
    live = overview.live
    if live is None:
        return None
    age_s = (overview.at - live.published_at).total_seconds()
    return release_json(live, overview) | {"age_s": age_s}


def _hold_json(hold: Hold | None) -> dict[str, object] | None:
    if hold is None:
        return None
    return {"reason": hold.reason, "since": hold.since.isoformat()}


def _decision_json(decision: Decision) -> dict[str, object]:
    names = ("action", "version", "by", "why")
    return {name: getattr(decision, name) for name in names} | {"at": decision.at.isoformat()}


def _current_run_json(overview: Overview) -> dict[str, object] | None:
    if overview.current is None:
        return None
    return run_json(overview.current) | {"progress": _progress_json(overview.progress)}


def _progress_json(progress: RunProgress | None) -> dict[str, object] | None:
    if progress is None:
        return None
    return asdict(progress)


def _quality_json(quality: Quality) -> dict[str, object]:
    names = ("run_id", "kind", "model", "version", "ndcg", "rmse", "num_users", "num_events")
    return {name: getattr(quality, name) for name in names} | {"at": quality.at.isoformat()}


def _lists_json(events: Mapping[str, int]) -> dict[str, object]:
    """Render what a release's lists led to; a rate is None without anything to divide by."""
    num_shown, num_clicked = events.get("impression", 0), events.get("click", 0)
    return {
        "events": dict(events),
        "click_through_rate": num_clicked / num_shown if num_shown else None,
        "conversion_rate": events.get("purchase", 0) / num_clicked if num_clicked else None,
    }


def _hour_json(hour: HourOfEvents) -> dict[str, object]:
    return {
        "at": hour.at.isoformat(),
        "events": dict(hour.num_events),
        "of_lists": dict(hour.num_named),
    }


def _posterior_json(posterior: PosteriorState | None) -> dict[str, object] | None:
    if posterior is None:
        return None
    return {
        "version": posterior.version,
        "at": posterior.at.isoformat(),
        "lists": posterior.num_lists,
        "rewards": posterior.num_rewards,
        "items": posterior.num_items,
    }


def _price_json(one: PlacementPrice) -> dict[str, object]:
    """Render the price of exploration in a placement."""
    place = {"placement": one.placement, "policy": one.policy}
    return {**place, "measured_at": one.measured_at.isoformat(), **asdict(one.price)}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
