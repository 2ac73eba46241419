"""Trials of candidates: started, measured and ended; and what their shadows answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime

import sqlalchemy as sa

from cron.experiment_errors import NoTrial
from cron.ledger import schema
from cron.ledger.experiment_rows import MeasuredArms, measured_from_json, measured_to_json
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.trial import AskedEnd, CandidateTrial, ShadowCounts, TrialEnd, TrialVerdict

KEPT = 100  # ended ones


def start(ledger: Ledger, trial: CandidateTrial, *, lease: Lease) -> CandidateTrial:
    """Start a trial and return it; one that was started before stays as it is."""
    table = schema.trials
    with ledger.write(lease) as connection:
        is_version = table.c.version == trial.version
        row = connection.execute(sa.select(table).where(is_version)).one_or_none()
        if row is not None:
            return _trial(row)
        _delete_oldest(connection)
        values = {name: getattr(trial, name) for name in _PLAIN}
        values["started_at"] = trial.started_at.isoformat()
        connection.execute(table.insert().values(values))
    return trial


def end(ledger: Ledger, version: int, verdict: TrialVerdict, why: str, *, lease: Lease) -> None:
    """End a trial; one that has ended stays as it is."""
    table = schema.trials
    is_running = (table.c.version == version) & table.c.ended_at.is_(None)
    values = {"ended_at": ledger.now().isoformat(), "verdict": verdict, "why": why}
    with ledger.write(lease) as connection:
        connection.execute(table.update().where(is_running).values(values))


def begin_now(ledger: Ledger, trial: CandidateTrial, *, lease: Lease) -> CandidateTrial:
    """Let a trial begin now, and return it."""
    table, now = schema.trials, ledger.now()
    with ledger.write(lease) as connection:
        begun = table.update().where(table.c.version == trial.version)
        connection.execute(begun.values(started_at=now.isoformat()))
    return replace(trial, started_at=now)


def ask_to_end(
    ledger: Ledger, verdict: TrialVerdict, why: str, *, seen: int | None = None
) -> CandidateTrial:
    """Ask the worker to end the running trial so, and return it.

    What was asked before is replaced. Raise NoTrial if none is running, or another one than that of
    the version that was seen.
    """
    table = schema.trials
    with ledger.write() as connection:
        query = sa.select(table).where(table.c.ended_at.is_(None)).order_by(table.c.version.desc())
        row = connection.execute(query.limit(1)).one_or_none()
        if row is None:
            raise NoTrial
        if seen not in (None, row.version):
            raise NoTrial(seen=seen, running=row.version)
        asked = table.update().where(table.c.version == row.version)
        connection.execute(asked.values(verdict=verdict, why=why))
    return replace(_trial(row), asked=AskedEnd(verdict=verdict, why=why))


def find(ledger: Ledger, version: int) -> CandidateTrial | None:
    """Return the trial of a version, running or ended."""
    with ledger.read() as connection:
        query = sa.select(schema.trials).where(schema.trials.c.version == version)
        row = connection.execute(query).one_or_none()
    return None if row is None else _trial(row)


def running(ledger: Ledger) -> CandidateTrial | None:
    """Return the trial that has not ended; there is at most one, that of the open run."""
    table = schema.trials
    query = sa.select(table).where(table.c.ended_at.is_(None)).order_by(table.c.version.desc())
    with ledger.read() as connection:
        row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else _trial(row)


def answering(ledger: Ledger) -> CandidateTrial | None:
    """Return the trial whose candidate may answer users now.

    None as soon as another release is live or decided on, publishing is paused, or a person has
    stopped the trial: the worker ends it at its next turn.
    """
    table = schema.trials
    query = sa.select(table).where(table.c.ended_at.is_(None)).order_by(table.c.version.desc())
    with ledger.read() as connection:
        row = connection.execute(query.limit(1)).one_or_none()
        if row is None:
            return None
        desk = connection.execute(sa.select(schema.desk)).one()
    is_settled = desk.switching_to in (None, desk.live)
    is_held = desk.hold_reason is not None or row.verdict == "taken_back"
    if is_held or desk.live != row.live or not is_settled:
        return None
    return _trial(row)


def newest(ledger: Ledger, limit: int) -> tuple[CandidateTrial, ...]:
    """Return the newest trials, newest first."""
    query = sa.select(schema.trials).order_by(schema.trials.c.version.desc()).limit(limit)
    with ledger.read() as connection:
        return tuple(_trial(row) for row in connection.execute(query))


def store_measured(ledger: Ledger, version: int, measured: MeasuredArms, *, lease: Lease) -> None:
    """Store what was measured of a canary, in place of what was measured before."""
    table = schema.trials
    values = {"measured_at": measured.at.isoformat(), "measured": measured_to_json(measured)}
    with ledger.write(lease) as connection:
        connection.execute(table.update().where(table.c.version == version).values(values))


def measured_arms(ledger: Ledger, version: int) -> MeasuredArms | None:
    """Return what was measured of a canary last; None before the first time."""
    table = schema.trials
    query = sa.select(table.c.measured_at, table.c.measured).where(table.c.version == version)
    with ledger.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or row.measured is None:
        return None
    return measured_from_json(row.measured, at=datetime.fromisoformat(row.measured_at))


def add_shadow(ledger: Ledger, counts: Mapping[int, ShadowCounts]) -> None:
    """Add what a gateway counted, by the candidate's version."""
    table = schema.shadow_answers
    with ledger.write() as connection:
        for version, count in counts.items():
            added = asdict(count)
            more = {name: table.c[name] + value for name, value in added.items()}
            is_version = table.c.version == version
            if connection.execute(table.update().where(is_version).values(more)).rowcount == 0:
                connection.execute(table.insert().values(version=version, **added))


def shadow(ledger: Ledger, version: int) -> ShadowCounts:
    """Return what the gateways counted of a candidate's answers in the background."""
    table = schema.shadow_answers
    with ledger.read() as connection:
        query = sa.select(table).where(table.c.version == version)
        row = connection.execute(query).one_or_none()
    if row is None:
        return ShadowCounts()
    return ShadowCounts(**{field.name: getattr(row, field.name) for field in fields(ShadowCounts)})


def _delete_oldest(connection: sa.Connection) -> None:
    table, answers = schema.trials, schema.arm_answers
    query = sa.select(table).where(table.c.ended_at.is_not(None))
    ended = connection.execute(query.order_by(table.c.version.desc()).offset(KEPT)).all()
    for trial in map(_trial, ended):
        connection.execute(answers.delete().where(answers.c.experiment == trial.name))
        for of in (table, schema.shadow_answers):
            connection.execute(of.delete().where(of.c.version == trial.version))


_PLAIN = ("version", "run_id", "live", "canary_share", "shadow_share", "after_seq")


def _trial(row: schema.Row) -> CandidateTrial:
    end = None
    if row.ended_at is not None:
        end = TrialEnd(at=datetime.fromisoformat(row.ended_at), verdict=row.verdict, why=row.why)
    asked = None
    if end is None and row.verdict is not None:
        asked = AskedEnd(verdict=row.verdict, why=row.why)
    return CandidateTrial(
        **{name: getattr(row, name) for name in _PLAIN},
        started_at=datetime.fromisoformat(row.started_at),
        end=end,
        asked=asked,
    )
