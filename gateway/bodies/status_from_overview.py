"""The body of `GET /v1/status`, made of the overview of the system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from cron.lineage import Hold, Quality, Reason, Release, Run
from cron.metrics.overview import Overview, RunProgress, panel_ndcg
from gateway.bodies.status import (
    CurrentRunStatus,
    HoldStatus,
    LiveStatus,
    ProgressStatus,
    QualityStatus,
    ReasonStatus,
    ReleaseStatus,
    RunStatus,
    StatusAnswer,
    UpdatesStatus,
    WaitingStatus,
)


def status_answer(
    overview: Overview, *, endpoint: str, in_service: Mapping[str, bool]
) -> StatusAnswer:
    """Return the body; times are ISO 8601."""
    return StatusAnswer(
        at=overview.at.isoformat(),
        live=_live(overview),
        hold=_hold(overview.hold),
        waiting=WaitingStatus(
            in_log=overview.waiting.in_log,
            in_journal=overview.waiting.in_journal,
            newest_event_at=_iso(overview.waiting.newest_event_at),
        ),
        current_run=_current_run(overview),
        releases=tuple(_release(one, overview) for one in overview.releases),
        updates=UpdatesStatus(
            judged=len(overview.judged_updates), accepted=overview.num_accepted_updates
        ),
        runs=tuple(_run(one) for one in overview.runs),
        quality=tuple(_quality(one) for one in overview.quality),
        endpoint=endpoint,
        in_service=dict(in_service),
    )


def _live(overview: Overview) -> LiveStatus | None:
    live = overview.live
    if live is None:
        return None
    age_s = (overview.at - live.published_at).total_seconds()
    return LiveStatus(**_fields(_release(live, overview)), age_s=age_s)


def _release(release: Release, overview: Overview) -> ReleaseStatus:
    manifest = release.manifest
    run = next((run for run in overview.runs if run.run_id == manifest.run_id), None)
    return ReleaseStatus(
        version=release.version,
        live=overview.live is not None and overview.live.version == release.version,
        mode=manifest.mode,
        parent=manifest.parent,
        published_at=release.published_at.isoformat(),
        rolled_back_at=_iso(release.rolled_back_at),
        trained_range=manifest.target_range,
        num_items=manifest.num_items,
        archive=manifest.archive,
        archive_gone=release.archive_gone,
        ndcg=panel_ndcg(overview, release),
        figures=dict(manifest.metrics),
        reasons=_reasons(run.reasons) if run is not None else (),
    )


def _current_run(overview: Overview) -> CurrentRunStatus | None:
    if overview.current is None:
        return None
    return CurrentRunStatus(
        **_fields(_run(overview.current)), progress=_progress(overview.progress)
    )


def _run(run: Run) -> RunStatus:
    return RunStatus(
        run_id=run.run_id,
        mode=run.mode,
        outcome=run.outcome,
        version=run.version,
        started_at=run.started_at.isoformat(),
        ended_at=_iso(run.ended_at),
        count=run.count,
        seconds=dict(run.seconds),
        figures=dict(run.metrics),
        reasons=_reasons(run.reasons),
    )


def _progress(progress: RunProgress | None) -> ProgressStatus | None:
    if progress is None:
        return None
    return ProgressStatus(
        phase=progress.phase, done=progress.done, total=progress.total, loss=progress.loss
    )


def _hold(hold: Hold | None) -> HoldStatus | None:
    if hold is None:
        return None
    return HoldStatus(reason=hold.reason, since=hold.since.isoformat())


def _reasons(reasons: Iterable[Reason]) -> tuple[ReasonStatus, ...]:
    return tuple(
        ReasonStatus(
            name=one.name,
            ok=one.ok,
            text=one.text,
            figure=one.value,
            low=one.low,
            high=one.high,
            limit=one.limit,
        )
        for one in reasons
    )


def _quality(quality: Quality) -> QualityStatus:
    return QualityStatus(
        run_id=quality.run_id,
        kind=quality.kind,
        model=quality.model,
        version=quality.version,
        ndcg=quality.ndcg,
        rmse=quality.rmse,
        num_users=quality.num_users,
        num_events=quality.num_events,
        at=quality.at.isoformat(),
    )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _fields(record: ReleaseStatus | RunStatus) -> dict[str, Any]:
    """Return a record's fields by name, for a type that adds one to them."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
