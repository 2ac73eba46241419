"""The calls that start, show and stop experiments."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cron.experiment import Experiment, parse_draft
from cron.experiments.outcome import ArmComparison
from cron.ledger import experiment_rows
from cron.ledger.ledger import Ledger
from cron.serving.experiment_reports import ExperimentReport, report_on, start_experiment
from gateway.bodies.experiments import (
    ArmAnswer,
    ComparisonAnswer,
    ExperimentAnswer,
    ExperimentBody,
    ExperimentList,
    StopBody,
)
from gateway.content.record_bodies import parse_object
from gateway.content.typed_bodies import parse_body
from gateway.http.access import UseCaller, UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.openapi import answer, object_body, refusals

MAX_BODY_BYTES = 256 * 1024
MAX_LISTED = 100
ExperimentName = Annotated[str, Path(description="The experiment's name.")]

router = APIRouter(
    prefix="/v1/experiments",
    tags=["experiments"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

_CLOSER: dict[str, object] = {"diversity": 0.3}
_ARMS = tuple(
    ArmAnswer(
        name=name,
        share=0.5,
        rules=rules,
        users=users,
        reward=reward,
        explored=explored,
        answers=4 * users,
        errors=0,
        mean_ms=12.5,
    )
    for name, rules, users, reward, explored in (
        ("a", dict[str, object](), 2_012, 0.31, 840.0),
        ("b", _CLOSER, 1_987, 0.36, 1_102.0),
    )
)
_ONE = ExperimentAnswer(
    name="closer-shelves",
    kind="ab",
    placement="home",
    layer="default",
    share=0.5,
    ramp_days=0.0,
    effect=0.05,
    started_at="2026-03-01T12:00:00+00:00",
    started_by="the key 'ops'",
    ended_at=None,
    ended_by=None,
    why=None,
    winner=None,
    measured_at="2026-03-09T12:00:00+00:00",
    state="undecided",
    reason="b is undecided",
    sample_ratio_p=1.0,
    arms=_ARMS,
    comparisons=(
        ComparisonAnswer(
            arm="b",
            difference=0.05,
            low=-0.01,
            high=0.11,
            p_value=0.21,
            finding="undecided",
            harmed=(),
        ),
    ),
)
_DRAFT: dict[str, object] = {
    "placement": "home",
    "share": 0.5,
    "arms": [{"name": "a"}, {"name": "b", "rules": _CLOSER}],
}


@router.get(
    "",
    responses={
        **answer(200, "Experiments.", experiments=ExperimentList(experiments=(_ONE,))),
        **refusals(400, 401, 403, 503),
    },
)
async def list_experiments(
    services: UseServices,
    k: Annotated[int, Query(ge=1, le=MAX_LISTED, description="How many.")] = 20,
) -> Response:
    """List experiments: the running ones, then those that ended, the newest first."""
    ledger = services.placements.ledger

    def read() -> ExperimentList:
        found = experiment_rows.every(ledger)[:k]
        return ExperimentList(experiments=tuple(_report(ledger, one) for one in found))

    return json_response(await run_in_threadpool(read))


@router.get(
    "/{name}",
    responses={
        **answer(200, "The experiment.", experiment=_ONE),
        **refusals(400, 401, 403, 404, 503),
    },
)
async def get_experiment(name: ExperimentName, services: UseServices) -> Response:
    """Return an experiment and what it says so far."""
    ledger = services.placements.ledger

    def read() -> ExperimentAnswer:
        return _report(ledger, experiment_rows.one(ledger, name))

    return json_response(await run_in_threadpool(read))


@router.put(
    "/{name}",
    responses={
        **answer(200, "It runs; all gateways follow within a second.", experiment=_ONE),
        **refusals(400, 401, 403, 409, 413, 415, 503),
    },
    openapi_extra=object_body(ExperimentBody, _DRAFT),
)
async def start(
    name: ExperimentName, request: Request, services: UseServices, caller: UseCaller
) -> Response:
    """Start an experiment. A name is never given again."""
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        draft = parse_draft(parse_object(content))
    placements = services.placements
    by = f"the key {caller.name!r}"

    def write() -> ExperimentAnswer:
        started = start_experiment(placements.ledger, services.settings, name, draft, by=by)
        return _report(placements.ledger, started)

    return json_response(await run_in_threadpool(write))


@router.post(
    "/{name}/stop",
    responses={
        **answer(200, "It is stopped; its lists are as before it.", experiment=_ONE),
        **refusals(400, 401, 403, 404, 409, 413, 415, 503),
    },
    openapi_extra=object_body(StopBody, {"reason": "the season has ended"}),
)
async def stop(
    name: ExperimentName, request: Request, services: UseServices, caller: UseCaller
) -> Response:
    """Stop an experiment."""
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        body = parse_body(StopBody, content)
    ledger = services.placements.ledger
    by, why = f"the key {caller.name!r}", body.reason or "stopped by a person"

    def write() -> ExperimentAnswer:
        ended = experiment_rows.stop(ledger, name, by=by, why=why, winner=None)
        return _report(ledger, ended)

    return json_response(await run_in_threadpool(write))


def _report(ledger: Ledger, experiment: Experiment) -> ExperimentAnswer:
    report = report_on(ledger, experiment)
    draft, end, outcome = experiment.draft, experiment.end, report.outcome
    measured_at = report.measured_at
    comparisons = () if outcome is None else outcome.comparisons
    return ExperimentAnswer(
        name=experiment.name,
        kind=draft.kind,
        placement=draft.placement,
        layer=draft.layer,
        share=draft.share,
        ramp_days=draft.ramp_days,
        effect=draft.effect,
        started_at=experiment.started_at.isoformat(),
        started_by=experiment.started_by,
        ended_at=None if end is None else end.at.isoformat(),
        ended_by=None if end is None else end.by,
        why=None if end is None else end.why,
        winner=None if end is None else end.winner,
        measured_at=None if measured_at is None else measured_at.isoformat(),
        state=None if outcome is None else outcome.state,
        reason=None if outcome is None else outcome.reason,
        sample_ratio_p=None if outcome is None else outcome.sample_ratio_p,
        arms=_arms(report),
        comparisons=tuple(_comparison(one) for one in comparisons),
    )


def _arms(report: ExperimentReport) -> tuple[ArmAnswer, ...]:
    return tuple(
        ArmAnswer(
            name=arm.name,
            share=arm.share,
            placement=drafted.placement,
            rules=dict(drafted.rules),
            release=drafted.release,
            users=arm.num_users,
            reward=arm.reward,
            explored=arm.explored,
            answers=arm.num_answers,
            errors=arm.num_errors,
            mean_ms=arm.mean_ms,
        )
        for drafted, arm in zip(report.experiment.draft.arms, report.arms, strict=True)
    )


def _comparison(one: ArmComparison) -> ComparisonAnswer:
    return ComparisonAnswer(
        arm=one.arm,
        difference=one.estimate.value,
        low=_finite(one.interval.low),
        high=_finite(one.interval.high),
        p_value=one.p_value,
        finding=one.finding,
        harmed=tuple(check.name for check in one.guardrails if check.is_harmed),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
