"""The calls that operate Freshet: they decide what the verbs of the same names decide."""

from __future__ import annotations

from typing import TypeVar

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cron.errors import SwitchPending
from cron.ledger import holds
from cron.lineage import Hold
from cron.serving.decisions import Person, TrialAction
from gateway.bodies.operate import (
    PauseAnswer,
    PauseBody,
    PromoteBody,
    ResumeAnswer,
    ResumeBody,
    RollbackBody,
    SwitchAnswer,
    TrialAnswer,
    TrialBody,
)
from gateway.bodies.status import HoldStatus
from gateway.callers.keyring import Caller
from gateway.content.typed_bodies import parse_body
from gateway.errors import BadQuery
from gateway.http.access import UseCaller, UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.openapi import Responses, answer, object_body, refusals
from gateway.services import GatewayServices

MAX_BODY_BYTES = 64 * 1024

router = APIRouter(
    prefix="/v1/operate",
    tags=["operation"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

Body = TypeVar("Body")
_HOLD = HoldStatus(
    reason="rolled back from version 4 to 3 by the key 'ops'", since="2026-03-01T12:00:00+00:00"
)
_REFUSED = refusals(400, 401, 403, 409, 413, 415, 503)
_SWITCHED: Responses = {
    **answer(
        200,
        "The version is live.",
        done=SwitchAnswer(version=3, was=4, hold=_HOLD),
    ),
    **answer(
        202,
        "The change is recorded, and the model server does not answer. The worker carries the "
        "change out as soon as it does. Do not send the call again.",
        pending=SwitchAnswer(
            version=3,
            pending="the change to version 3 is recorded and publishing is paused, but TorchServe "
            "at 127.0.0.1:8081 does not answer (connection refused); is it running? The worker "
            "carries it out as soon as the server answers.",
            hold=_HOLD,
        ),
    ),
    **_REFUSED,
}


@router.post(
    "/rollback",
    responses=_SWITCHED,
    openapi_extra=object_body(RollbackBody, {"live": 4, "reason": "titles of a wrong language"}),
)
async def roll_back(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Make the previous good release, or a version, live at once; publishing is paused."""
    asked_at = services.decisions.ledger.now()
    body = await _read(RollbackBody, request, services)

    def decide() -> Response:
        person = _person(caller, body.reason)
        try:
            done = services.decisions.roll_back(
                body.version, person, asked_at=asked_at, seen_live=body.live
            )
        except SwitchPending as pending:
            return _pending(pending, services)
        return json_response(
            SwitchAnswer(version=done.version, was=done.was, hold=_current_hold(services))
        )

    return await run_in_threadpool(decide)


@router.post(
    "/promote",
    responses=_SWITCHED,
    openapi_extra=object_body(PromoteBody, {"version": 4}),
)
async def promote(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Make a release live that was live before, older or newer; a pause continues."""
    body = await _read(PromoteBody, request, services)

    def decide() -> Response:
        try:
            services.decisions.promote(
                body.version, _person(caller, body.reason), seen_live=body.live
            )
        except SwitchPending as pending:
            return _pending(pending, services)
        return json_response(SwitchAnswer(version=body.version, hold=_current_hold(services)))

    return await run_in_threadpool(decide)


@router.post(
    "/pause",
    responses={
        **answer(200, "Publishing is paused.", paused=PauseAnswer(hold=_HOLD)),
        **refusals(400, 401, 403, 413, 415, 503),
    },
    openapi_extra=object_body(PauseBody, {"reason": "inventory, back at two"}),
)
async def pause(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Publish nothing until somebody resumes; events are still accepted and collected."""
    body = await _read(PauseBody, request, services)
    person = _person(caller, body.reason)
    hold = await run_in_threadpool(services.decisions.pause, person)
    return json_response(PauseAnswer(hold=_hold_status(hold)))


@router.post(
    "/resume",
    responses={
        **answer(
            200,
            "Publishing continues.",
            resumed=ResumeAnswer(was_paused=True, excluded=((31683, 32682),)),
        ),
        **refusals(400, 401, 403, 413, 415, 503),
    },
    openapi_extra=object_body(ResumeBody, {"exclude": [[31683, 32682]]}),
)
async def resume(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Publish again, and never train on the excluded journal numbers. Exclusions are permanent."""
    body = await _read(ResumeBody, request, services)
    for first, last in body.exclude:
        if first > last:
            raise BadQuery(
                "exclude", f"exclude: found [{first}, {last}], expected a first and a last number"
            )

    def decide() -> Response:
        was_paused = services.decisions.resume(body.exclude, _person(caller, body.reason))
        excluded = holds.excluded_ranges(services.decisions.ledger)
        return json_response(ResumeAnswer(was_paused=was_paused, excluded=excluded))

    return await run_in_threadpool(decide)


@router.post(
    "/trial",
    responses={
        **answer(
            200,
            "The worker ends the trial in its next turn. A stopped candidate answers nobody from "
            "now on.",
            asked=TrialAnswer(version=5, action="stop"),
        ),
        **_REFUSED,
    },
    openapi_extra=object_body(TrialBody, {"action": "stop", "reason": "odd titles"}),
)
async def end_trial(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Promote the candidate that is on trial, or take it back."""
    body = await _read(TrialBody, request, services)
    action: TrialAction = "promote_trial" if body.action == "promote" else "stop_trial"

    def decide() -> Response:
        person = _person(caller, body.reason)
        version = services.decisions.end_trial(action, person, seen=body.version)
        return json_response(TrialAnswer(version=version, action=body.action))

    return await run_in_threadpool(decide)


async def _read(body_type: type[Body], request: Request, services: GatewayServices) -> Body:
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        return parse_body(body_type, content)


def _person(caller: Caller, why: str | None) -> Person:
    return Person(by=f"the key {caller.name!r}", why=why)


def _pending(pending: SwitchPending, services: GatewayServices) -> Response:
    body = SwitchAnswer(version=pending.version, pending=str(pending), hold=_current_hold(services))
    return json_response(body, status=202)


def _current_hold(services: GatewayServices) -> HoldStatus | None:
    hold = holds.current(services.decisions.ledger)
    return _hold_status(hold) if hold is not None else None


def _hold_status(hold: Hold) -> HoldStatus:
    return HoldStatus(reason=hold.reason, since=hold.since.isoformat())
