"""The call that says how probable lists would be under a policy."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.bodies.propensities import PropensitiesAnswer, PropensitiesBody
from gateway.bodies.refusal import Refusal, refusal
from gateway.content.record_bodies import is_ndjson, parse_object, raw_lines
from gateway.http.access import UseServices
from gateway.http.problems import json_response
from gateway.http.quick_route import CHECKS, QuickRoute
from gateway.http.streamed_lines import StreamedLines
from gateway.model.answers import NoAnswer, TooLarge
from gateway.model.recommendation_lines import answer_lines
from gateway.openapi import answer, questions_body, refusals
from gateway.placements.propensities import parse_propensities
from gateway.services import GatewayServices

MAX_BODY_BYTES = 1024 * 1024  # a list of 1,000 ids
MAX_BATCH_BYTES = 8 * 1024 * 1024  # 20,000 lists of ten items

router = APIRouter(tags=["answers"], dependencies=CHECKS, route_class=QuickRoute)

_ASKED = {
    "user_id": "ann",
    "placement": "home",
    "at": "2026-01-31T12:00:00Z",
    "items": ["50", "181", "172"],
    "policy": {"name": "plackett_luce", "temperature": 0.5},
}


@router.post(
    "/v1/propensities",
    responses={
        **answer(
            200,
            "The propensity of each item.",
            found=PropensitiesAnswer(
                policy="plackett_luce", propensities=(0.1184, 0.0672, 0.1031), model_version=3
            ),
        ),
        **refusals(400, 401, 403, 413, 415, 503),
    },
    openapi_extra=questions_body(PropensitiesBody, dict(_ASKED)),
)
async def post_propensities(request: Request, services: UseServices) -> Response:
    """Say how probable a list would be under a policy: for lists that another policy served.

    The question is that of a list at its time. No list is made, so none is recorded. NDJSON asks
    many questions, one on each line, in at most 8 MiB; the answers are sent as they are ready, one
    on each line in the same order, and a line that is refused is answered by its `error`.
    """
    if is_ndjson(request.headers.get("content-type", "")):
        return await _stream(request, services)
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        asked = parse_propensities(parse_object(content))
    async with services.answer_queue.turn():
        found = await services.lists.propensities(asked)
    return json_response(found, status=400 if isinstance(found, Refusal) else 200)


async def _stream(request: Request, services: GatewayServices) -> Response:
    async def answer_one(body: Mapping[str, object]) -> PropensitiesAnswer | Refusal:
        try:
            return await services.lists.propensities(parse_propensities(body))
        except (NoAnswer, TooLarge) as why:
            return refusal("server", str(why))

    async with AsyncExitStack() as held:
        reading = services.bodies.read(request, limit=MAX_BATCH_BYTES)
        lines = raw_lines(await held.enter_async_context(reading))
        await held.enter_async_context(services.batch_queue.turn())
        return StreamedLines(answer_lines(lines, answer_one), held=held.pop_all())
