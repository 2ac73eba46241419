"""Rows of the ledger's tables of runs and releases as values; knows nothing of when a run begins or ends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

import sqlalchemy as sa

from cron.ledger import schema
from cron.lineage import Release, Run, manifest_from_json, reasons_from_json


def run_of(row: schema.Row, seconds: Mapping[str, float]) -> Run:
    """Read one row of `runs`, with the seconds of its steps."""
    return Run(
        run_id=row.run_id,
        mode=row.mode,
        outcome=row.outcome,
        reasons=reasons_from_json(row.reasons),
        figures=json.loads(row.figures),
        supersedes=row.supersedes,
        version=row.version,
        started_at=datetime.fromisoformat(row.started_at),
        ended_at=datetime.fromisoformat(row.ended_at) if row.ended_at is not None else None,
        count=row._mapping["count"],
        seconds=dict(seconds),
    )


def seconds_of(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, dict[str, float]]:
    """Return the seconds of each recorded step, by run."""
    seconds: dict[int, dict[str, float]] = {run_id: {} for run_id in run_ids}
    query = sa.select(schema.steps.c.run_id, schema.steps.c.step, schema.steps.c.seconds).where(
        schema.steps.c.run_id.in_(run_ids)
    )
    for row in connection.execute(query):
        seconds[row.run_id][row.step] = row.seconds
    return seconds


def latest_skip(connection: sa.Connection, reason_name: str) -> Run | None:
    """Return the newest run when it is a turn skipped for that reason."""
    row = connection.execute(
        sa.select(schema.runs).order_by(schema.runs.c.run_id.desc()).limit(1)
    ).first()
    latest = run_of(cast(schema.Row, row), {}) if row is not None else None
    return (
        latest
        if latest is not None
        and latest.outcome == "skipped"
        and latest.reasons[0].name == reason_name
        else None
    )


def release_of(row: schema.Row) -> Release:
    """Read one row of `releases` that was published."""
    return Release(
        version=row.version,
        manifest=manifest_from_json(row.manifest),
        published_at=datetime.fromisoformat(row.published_at),
        rolled_back_at=datetime.fromisoformat(row.rolled_back_at)
        if row.rolled_back_at is not None
        else None,
        archive_gone=row.archive_gone,
    )
