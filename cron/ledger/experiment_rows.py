"""Experiments: started, stopped and measured; and what the gateways answered in their arms.

A stopped experiment keeps its row and its name: its users were mixed by the name, and its slates
have it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache

import sqlalchemy as sa

from cron.experiment import (
    Experiment,
    ExperimentDraft,
    ExperimentEnd,
    draft_json,
    needed_by,
    parse_draft,
)
from cron.experiment_errors import (
    ExperimentEnded,
    ExperimentNameInUse,
    ExperimentNotReadable,
    LayerFull,
    PlacementInExperiment,
    TooManyExperiments,
    UnknownExperiment,
)
from cron.experiments.assignment import LayerRange, free_range
from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserSums
from cron.ledger import experiment_day_rows, journal_rows, schema
from cron.ledger.ledger import Ledger
from recommender.requests.wire import BadRequest

log = logging.getLogger(__name__)

MAX_RUNNING = 20  # each gateway process keeps all of them
KEPT = 1_000  # so that a program that starts experiments cannot fill the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredArms:
    """What was measured of an experiment, when, and how long that took.

    The explored items are at equal numbers. `preference` has the users' preferences between the two
    arms of interleaved lists.
    """

    at: datetime
    seconds: float = 0.0
    arms: tuple[ArmSums, ...]
    explored: Mapping[str, float]
    preference: UserSums | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCounts:
    """The answers of gateways in an arm; `seconds_2` is the sum of the squared seconds."""

    num_answers: int = 0
    num_errors: int = 0
    seconds: float = 0.0
    seconds_2: float = 0.0


def start(ledger: Ledger, name: str, draft: ExperimentDraft, *, by: str) -> Experiment:
    """Start an experiment in a free part of its layer.

    Raise ExperimentNameInUse, PlacementInExperiment, LayerFull, TooManyExperiments, or
    ExperimentNotReadable for a running one whose part of the layer is therefore unknown.
    """
    table = schema.experiments
    after_seq = journal_rows.last_seq(ledger)
    with ledger.write() as connection:
        rows = connection.execute(sa.select(table)).all()
        if any(row.name == name for row in rows):
            raise ExperimentNameInUse(name)
        found = [*_readable(row for row in rows if row.ended_at is not None)]
        found += [_read(row) for row in rows if row.ended_at is None]
        running = [one for one in found if one.is_running]
        if len(running) >= MAX_RUNNING:
            raise TooManyExperiments(limit=MAX_RUNNING)
        if len(rows) >= KEPT:
            _delete_oldest(connection, found)
        layer_range = _reserve(draft, running)
        experiment = Experiment(
            name=name,
            draft=draft,
            begin=layer_range.begin,
            started_at=ledger.now(),
            started_by=by,
            after_seq=after_seq,
        )
        connection.execute(
            table.insert().values(
                name=name,
                draft=json.dumps(draft_json(draft)),
                range_begin=layer_range.begin,
                started_at=experiment.started_at.isoformat(),
                started_by=by,
                after_seq=after_seq,
            )
        )
    return experiment


def stop(ledger: Ledger, name: str, *, by: str, why: str, winner: str | None) -> Experiment:
    """Stop an experiment; the releases of its arms need not be loaded any longer.

    Raise UnknownExperiment, ExperimentEnded or ExperimentNotReadable.
    """
    table = schema.experiments
    with ledger.write() as connection:
        rows = connection.execute(sa.select(table)).all()
        found = {row.name: row for row in rows}
        if name not in found:
            raise UnknownExperiment(name, known=sorted(found))
        end = _read(found[name]).end
        if end is not None:
            raise ExperimentEnded(name, by=end.by)
        values = {"ended_at": ledger.now().isoformat(), "ended_by": by, "why": why}
        is_name = table.c.name == name
        connection.execute(table.update().where(is_name).values(**values, winner=winner))
        side = schema.side_versions
        connection.execute(side.delete().where(side.c.needed_by == needed_by(name)))
        return _read(connection.execute(sa.select(table).where(is_name)).one())


def every(ledger: Ledger) -> tuple[Experiment, ...]:
    """Return all readable experiments: the running ones first, then the newest first."""
    with ledger.read() as connection:
        found = _readable(connection.execute(sa.select(schema.experiments)))
    newest = sorted(found, key=lambda one: one.started_at, reverse=True)
    return tuple(sorted(newest, key=lambda one: not one.is_running))


def running(ledger: Ledger) -> tuple[Experiment, ...]:
    """Return the running experiments that this version can read."""
    table = schema.experiments
    with ledger.read() as connection:
        rows = connection.execute(sa.select(table).where(table.c.ended_at.is_(None)))
        return tuple(_readable(rows))


def one(ledger: Ledger, name: str) -> Experiment:
    """Return an experiment; raise UnknownExperiment."""
    found = {experiment.name: experiment for experiment in every(ledger)}
    if name not in found:
        raise UnknownExperiment(name, known=sorted(found))
    return found[name]


def store_measured(ledger: Ledger, name: str, measured: MeasuredArms) -> None:
    """Store what was measured, in place of what was measured before."""
    table = schema.experiments
    values = {"measured_at": measured.at.isoformat(), "measured": measured_to_json(measured)}
    with ledger.write() as connection:
        connection.execute(table.update().where(table.c.name == name).values(values))


def measured_arms(ledger: Ledger, name: str) -> MeasuredArms | None:
    """Return what was measured of an experiment last; None before the first time."""
    table = schema.experiments
    query = sa.select(table.c.measured_at, table.c.measured).where(table.c.name == name)
    with ledger.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or row.measured is None:
        return None
    return measured_from_json(row.measured, at=datetime.fromisoformat(row.measured_at))


def measured_to_json(measured: MeasuredArms) -> str:
    """Return what was measured as JSON, without its time."""
    content = {
        "arms": [asdict(arm) for arm in measured.arms],
        "explored": dict(measured.explored),
        "seconds": measured.seconds,
        "preference": None if measured.preference is None else asdict(measured.preference),
    }
    return json.dumps(content)


def measured_from_json(text: str, *, at: datetime) -> MeasuredArms:
    """Return what `measured_to_json` wrote."""
    content = json.loads(text)
    preference = content.get("preference")
    return MeasuredArms(
        at=at,
        seconds=content.get("seconds", 0.0),
        arms=tuple(_arm_sums(arm) for arm in content["arms"]),
        explored=content["explored"],
        preference=None if preference is None else UserSums(**preference),
    )


def add_answers(ledger: Ledger, counts: Mapping[tuple[str, str], AnswerCounts]) -> None:
    """Add what a gateway counted, by the names of experiment and arm."""
    table = schema.arm_answers
    with ledger.write() as connection:
        for (experiment, arm), count in counts.items():
            is_arm = (table.c.experiment == experiment) & (table.c.arm == arm)
            added = asdict(count)
            more = {name: table.c[name] + value for name, value in added.items()}
            if connection.execute(table.update().where(is_arm).values(more)).rowcount == 0:
                values = {"experiment": experiment, "arm": arm, **added}
                connection.execute(table.insert().values(values))


def answers(ledger: Ledger, experiment: str) -> dict[str, AnswerCounts]:
    """Return what the gateways answered in an experiment, by arm."""
    table = schema.arm_answers
    query = sa.select(table).where(table.c.experiment == experiment)
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    return {
        row.arm: AnswerCounts(
            num_answers=row.num_answers,
            num_errors=row.num_errors,
            seconds=row.seconds,
            seconds_2=row.seconds_2,
        )
        for row in rows
    }


def _reserve(draft: ExperimentDraft, running: Sequence[Experiment]) -> LayerRange:
    for other in running:
        is_same_layer = other.draft.layer == draft.layer
        names = {other.draft.placement, draft.placement}
        if not is_same_layer and (None in names or len(names) == 1):
            raise PlacementInExperiment(
                draft.placement, experiment=other.name, layer=other.draft.layer
            )
    taken = [other.layer_range for other in running if other.draft.layer == draft.layer]
    layer_range = free_range(taken, draft.share)
    if layer_range is None:
        raise LayerFull(draft.layer, wanted=draft.share, taken=sum(one.share for one in taken))
    return layer_range


def _delete_oldest(connection: sa.Connection, found: Sequence[Experiment]) -> None:
    ended = [one for one in found if not one.is_running]
    oldest = min(ended, key=lambda one: one.started_at)
    table, answers_table = schema.experiments, schema.arm_answers
    connection.execute(table.delete().where(table.c.name == oldest.name))
    connection.execute(answers_table.delete().where(answers_table.c.experiment == oldest.name))
    experiment_day_rows.delete_of(connection, oldest.name)


def _readable(rows: Iterable[sa.Row[tuple[object, ...]]]) -> list[Experiment]:
    """Return the experiments, without those of a newer version that this one can't read.

    A worker that was set back to an older version must still train, and its gateways serve.
    """
    found = []
    for row in rows:
        try:
            found.append(_experiment(row))
        except BadRequest as error:
            _warn_once(row.name, str(error))
    return found


@lru_cache(maxsize=KEPT)
def _warn_once(name: str, why: str) -> None:
    """Log it for the first reading of a process alone: gateways read twice a second."""
    log.warning("experiment not read", extra={"experiment": name, "why": why})


def _read(row: sa.Row[tuple[object, ...]]) -> Experiment:
    """Return the experiment of a row; raise ExperimentNotReadable."""
    try:
        return _experiment(row)
    except BadRequest as error:
        raise ExperimentNotReadable(row.name, why=str(error)) from error


def _experiment(row: sa.Row[tuple[object, ...]]) -> Experiment:
    end = None
    if row.ended_at is not None:
        end = ExperimentEnd(
            at=datetime.fromisoformat(row.ended_at), by=row.ended_by, why=row.why, winner=row.winner
        )
    return Experiment(
        name=row.name,
        draft=parse_draft(json.loads(row.draft)),
        begin=row.range_begin,
        started_at=datetime.fromisoformat(row.started_at),
        started_by=row.started_by,
        after_seq=row.after_seq,
        end=end,
    )


def _arm_sums(raw: Mapping[str, object]) -> ArmSums:
    reward, guardrails = raw["reward"], raw["guardrails"]
    assert isinstance(reward, dict)
    assert isinstance(guardrails, dict)
    return ArmSums(
        name=str(raw["name"]),
        share=float(str(raw["share"])),
        reward=UserSums(**reward),
        guardrails={name: UserSums(**sums) for name, sums in guardrails.items()},
    )
