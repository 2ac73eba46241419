"""The calls for people and monitors: the status page, status, metrics, liveness, readiness."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict
from pathlib import Path

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from cron.api_keys import Role
from cron.metrics import overview
from cron.metrics.copy_report import CopyReport, copy_json
from gateway.bodies.codec import codec_of
from gateway.bodies.copy_status import CopyBudgetStatus, CopyCostStatus, CopyStatus
from gateway.bodies.health import AliveAnswer, ReadyAnswer
from gateway.bodies.status import (
    RecorderStatus,
    SlatesStatus,
    StatusAnswer,
    UpdatesStatus,
    WaitingStatus,
)
from gateway.http.access import UseCaller, UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.openapi import answer, refusals
from gateway.slates.recorder import RecorderState

router = APIRouter(tags=["operation"])

_STATUS_PAGE = Path(__file__).parent.with_name("static") / "status.html"
# the page holds its own script and style, and calls nothing but this gateway
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STATUS = StatusAnswer(
    at="2026-03-01T12:00:00+00:00",
    roles=("operate", "read"),
    live=None,
    hold=None,
    decisions=(),
    waiting=WaitingStatus(in_log=40, in_journal=0, newest_event_at=None),
    current_run=None,
    releases=(),
    updates=UpdatesStatus(judged=0, accepted=0),
    runs=(),
    quality=(),
    events=(),
    slates=SlatesStatus(last_day=12_000, fallbacks=3),
    trials=(),
    posterior=None,
    exploration=(),
    recorder=RecorderStatus(recording=True, waiting=4, stored=800, dropped=0),
    copy=CopyStatus(
        writer="small",
        shown={"writer": 900, "template": 90, "editor": 10},
        hit_share=0.91,
        waiting=12,
        last_day=CopyCostStatus(
            seconds=540.0,
            cost=0.02,
            prompt_tokens=90_000,
            output_tokens=9_000,
            num_written=310,
            num_templates=25,
        ),
        this_hour=CopyBudgetStatus(
            seconds=60.0, cost=0.002, seconds_budget=600.0, cost_budget=None, used=0.1
        ),
        rules={"names": 41, "numbers": 7},
    ),
    endpoint="http://127.0.0.1:8080/predictions/rec",
    in_service={"127.0.0.1:8081": True},
)
_METRICS = {
    "description": "All metrics, in Prometheus' text format.",
    "content": {
        "text/plain": {
            "schema": {"type": "string", "description": "One metric on each line."},
            "examples": {"live": {"value": "freshet_live_version 3.0\n"}},
        }
    },
}


@router.get("/", include_in_schema=False)
def status_page() -> Response:
    """Return the status page, which asks `/v1/status` for its contents."""
    return Response(
        _STATUS_PAGE.read_bytes(),
        media_type="text/html",
        headers={"Content-Security-Policy": _POLICY},
    )


@router.get(
    "/v1/status",
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
    responses={
        **answer(200, "The whole system at one moment.", new=_STATUS),
        **refusals(400, 401, 403, 503),
    },
)
def status(services: UseServices, caller: UseCaller) -> Response:
    """Return what is live, how good it is, what waits and what runs."""
    inference = services.inference
    body = status_answer(
        services.overview(),
        roles=caller.roles,
        endpoint=inference.url,
        in_service=inference.in_service(),
        recorder=services.slates.state(),
        copy=services.copy.report(),
    )
    return json_response(body)


def status_answer(
    seen: overview.Overview,
    *,
    roles: Set[Role],
    endpoint: str,
    in_service: Mapping[str, bool],
    recorder: RecorderState,
    copy: CopyReport,
) -> StatusAnswer:
    """Return the body: what `python -m cron status --json` shows, and what this process knows."""
    values = overview.to_json(seen) | {
        "roles": sorted(roles),
        "endpoint": endpoint,
        "in_service": in_service,
        "recorder": asdict(recorder),
        "copy": copy_json(copy),
    }
    return codec_of(StatusAnswer).validate_python(values)


@router.get(
    "/metrics",
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
    response_class=Response,
    responses={200: _METRICS, **refusals(400, 401, 403, 503)},
)
def metrics(services: UseServices) -> Response:
    """Return all metrics in Prometheus' text format."""
    return Response(services.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/healthz", responses=answer(200, "The process answers.", alive=AliveAnswer()))
async def alive() -> Response:
    """Answer that this process is alive."""
    return json_response(AliveAnswer())


@router.get(
    "/readyz",
    responses={
        **answer(200, "A live model answers.", ready=ReadyAnswer(model_version=3)),
        **refusals(503),
    },
)
async def ready(services: UseServices) -> Response:
    """Answer 200 with the live version when a live model answers, 503 with the reason otherwise."""
    return json_response(ReadyAnswer(model_version=await services.readiness.live_version()))
