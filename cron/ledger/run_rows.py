"""Runs and skipped turns: their outcome and reasons, the steps they finished, their version."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import (
    Lease,
    Outcome,
    Reason,
    Run,
    Spending,
    reasons_from_json,
    reasons_to_json,
)
from trainer.config import Mode


def start(
    ledger: Ledger, mode: Mode, *, reason: Reason, supersedes: int | None, lease: Lease
) -> Run:
    """Open a run; raise ValueError while another is open."""
    with ledger.write(lease) as connection:
        is_open = sa.select(schema.runs.c.run_id).where(schema.runs.c.outcome.is_(None))
        if connection.execute(is_open).first() is not None:
            raise ValueError("a run is already open; continue or end it first")
        values = {
            "mode": mode,
            "reasons": reasons_to_json([reason]),
            "supersedes": supersedes,
            "started_at": ledger.now().isoformat(),
        }
        return _run(connection, _insert(connection, values))


def open_run(ledger: Ledger) -> Run | None:
    """Return the run that is under way or was left open by a crash."""
    with ledger.read() as connection:
        query = sa.select(schema.runs.c.run_id).where(schema.runs.c.outcome.is_(None))
        run_id = connection.execute(query).scalar()
        return _run(connection, run_id) if run_id is not None else None


def one(ledger: Ledger, run_id: int) -> Run:
    """Return a run that is in the ledger."""
    with ledger.read() as connection:
        return _run(connection, run_id)


def find(ledger: Ledger, run_id: int) -> Run | None:
    """Return a run; None if it was deleted, as old ones are."""
    with ledger.read() as connection:
        query = sa.select(schema.runs).where(schema.runs.c.run_id == run_id)
        return next(iter(_runs(connection, query)), None)


def record_step(
    ledger: Ledger,
    run_id: int,
    step: str,
    output: str,
    *,
    seconds: float,
    lease: Lease,
) -> None:
    """Store the JSON output of a finished step; an output stored earlier stays."""
    with ledger.write(lease) as connection:
        where = (schema.steps.c.run_id == run_id) & (schema.steps.c.step == step)
        if connection.execute(sa.select(schema.steps.c.step).where(where)).first() is None:
            values = {
                "run_id": run_id,
                "step": step,
                "output": output,
                "seconds": seconds,
            }
            connection.execute(schema.steps.insert().values(values))


def step_output(ledger: Ledger, run_id: int, step: str) -> str | None:
    """Return the JSON that a step stored; None when it did not finish."""
    with ledger.read() as connection:
        where = (schema.steps.c.run_id == run_id) & (schema.steps.c.step == step)
        query = sa.select(schema.steps.c.output).where(where)
        return connection.execute(query).scalar_one_or_none()


def finish(
    ledger: Ledger,
    run_id: int,
    outcome: Outcome,
    *,
    reasons: Sequence[Reason],
    metrics: Mapping[str, float],
    lease: Lease,
) -> Run:
    """End a run: store its outcome and reasons, and empty the outputs of its steps.

    The reason that it was started for stays first. Outputs are needed only to continue an open run.
    """
    with ledger.write(lease) as connection:
        values = {
            "outcome": outcome,
            "reasons": reasons_to_json([*_run(connection, run_id).reasons[:1], *reasons]),
            "metrics": json.dumps(dict(metrics)),
            "ended_at": ledger.now().isoformat(),
        }
        _update(connection, run_id, values)
        connection.execute(
            schema.steps.update().where(schema.steps.c.run_id == run_id).values(output="{}")
        )
        return _run(connection, run_id)


def record_skip(ledger: Ledger, reason: Reason, *, lease: Lease) -> Run:
    """Record a turn without a run.

    When the turn before it was skipped for the same reason, only that row's count is raised.
    """
    now = ledger.now().isoformat()
    ended = {"ended_at": now, "reasons": reasons_to_json([reason])}
    with ledger.write(lease) as connection:
        latest = _latest_skip(connection, reason.name)
        if latest is None:
            values = {"outcome": "skipped", "started_at": now, **ended}
            return _run(connection, _insert(connection, values))
        _update(connection, latest.run_id, {"count": latest.count + 1, **ended})
        return _run(connection, latest.run_id)


def newest(ledger: Ledger, limit: int = 50) -> tuple[Run, ...]:
    """Return the newest runs and skipped turns, newest first."""
    with ledger.read() as connection:
        query = sa.select(schema.runs).order_by(schema.runs.c.run_id.desc()).limit(limit)
        return _runs(connection, query)


def last_full(ledger: Ledger) -> Run | None:
    """Return the last full retrain that was published or refused."""
    where = (schema.runs.c.mode == "full") & schema.runs.c.outcome.in_(["published", "refused"])
    with ledger.read() as connection:
        query = sa.select(schema.runs).where(where).order_by(schema.runs.c.run_id.desc())
        return next(iter(_runs(connection, query.limit(1))), None)


def record_cost(ledger: Ledger, run_id: int, *, device_s: float, cost: float, lease: Lease) -> None:
    """Store what a run's training has taken so far, in place of what was stored before."""
    with ledger.write(lease) as connection:
        _update(connection, run_id, {"device_s": device_s, "cost": cost})


def spent_since(ledger: Ledger, since: datetime) -> Spending:
    """Return what the trainings of runs took that have started since a time."""
    runs = schema.runs.c
    sums = sa.select(
        sa.func.coalesce(sa.func.sum(runs.device_s), 0.0),
        sa.func.coalesce(sa.func.sum(runs.cost), 0.0),
    ).where(runs.started_at >= since.isoformat())
    with ledger.read() as connection:
        device_s, cost = connection.execute(sums).one()
    return Spending(device_s=float(device_s), cost=float(cost))


def allot_version(ledger: Ledger, run_id: int, *, lease: Lease) -> int:
    """Return a run's version; give it one if it has none.

    The first baseline gets 0, every other run the next number. Numbers grow and are never reused.
    """
    runs = schema.runs.c
    with ledger.write(lease) as connection:
        run = connection.execute(sa.select(schema.runs).where(runs.run_id == run_id)).one()
        if run.version is not None:
            return int(run.version)
        has_version = sa.select(runs.run_id).where(runs.version.is_not(None))
        if run.mode == "baseline" and connection.execute(has_version).first() is None:
            version = 0
        else:
            next_version = sa.select(schema.desk.c.next_version).with_for_update()
            version = int(connection.execute(next_version).scalar_one())
            connection.execute(schema.desk.update().values(next_version=version + 1))
        _update(connection, run_id, {"version": version})
        return version


def versions_never_recorded(ledger: Ledger, versions: Collection[int]) -> set[int]:
    """Return those of `versions` whose run ended without an archive in the ledger."""
    runs = schema.runs.c
    with ledger.read() as connection:
        query = sa.select(runs.version).where(
            runs.version.in_(versions),
            runs.outcome.is_not(None),
            runs.version.not_in(sa.select(schema.releases.c.version)),
        )
        return set(connection.execute(query).scalars())


def _insert(connection: sa.Connection, values: Mapping[str, object]) -> int:
    """Insert a run and return its id."""
    key = connection.execute(schema.runs.insert().values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _update(connection: sa.Connection, run_id: int, values: Mapping[str, object]) -> None:
    where = schema.runs.c.run_id == run_id
    connection.execute(schema.runs.update().where(where).values(values))


def _run(connection: sa.Connection, run_id: int) -> Run:
    (run,) = _runs(connection, sa.select(schema.runs).where(schema.runs.c.run_id == run_id))
    return run


def _latest_skip(connection: sa.Connection, reason_name: str) -> Run | None:
    """Return the newest row if it is a turn skipped for that reason."""
    query = sa.select(schema.runs).order_by(schema.runs.c.run_id.desc()).limit(1)
    for latest in _runs(connection, query):
        if latest.outcome == "skipped" and latest.reasons[0].name == reason_name:
            return latest
    return None


def _runs(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> tuple[Run, ...]:
    """Return the runs that a query over whole rows selects, each with the seconds of its steps."""
    rows = connection.execute(query).all()
    seconds: dict[int, dict[str, float]] = {row.run_id: {} for row in rows}
    steps = schema.steps.c
    steps_query = sa.select(steps.run_id, steps.step, steps.seconds)
    for step in connection.execute(steps_query.where(steps.run_id.in_(list(seconds)))):
        seconds[step.run_id][step.step] = step.seconds
    return tuple(_run_from(row, seconds[row.run_id]) for row in rows)


def _run_from(row: schema.Row, seconds: Mapping[str, float]) -> Run:
    return Run(
        run_id=row.run_id,
        mode=row.mode,
        outcome=row.outcome,
        reasons=reasons_from_json(row.reasons),
        metrics=json.loads(row.metrics),
        supersedes=row.supersedes,
        version=row.version,
        started_at=datetime.fromisoformat(row.started_at),
        ended_at=datetime.fromisoformat(row.ended_at) if row.ended_at is not None else None,
        count=row._mapping["count"],
        seconds=dict(seconds),
        device_s=row.device_s,
        cost=row.cost,
    )
