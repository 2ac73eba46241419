"""The call for one text: `POST /v1/copy`."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.bodies.copy import CopyAnswer, CopyBody
from gateway.bodies.refusal import Refusal
from gateway.content.languages import accepted_language
from gateway.content.record_bodies import parse_object
from gateway.copy.questions import parse_copy
from gateway.http.access import UseServices
from gateway.http.problems import json_response
from gateway.http.quick_route import CHECKS, QuickRoute
from gateway.openapi import answer, object_body, refusals

MAX_COPY_BYTES = 256 * 1024  # 110 ids of 512 characters, and some more

router = APIRouter(tags=["answers"], dependencies=CHECKS, route_class=QuickRoute)

_ASKED = {"item_ids": ["181"], "user_id": "ann", "kind": "reason_line", "language": "en"}


@router.post(
    "/v1/copy",
    responses={
        **answer(
            200,
            "A text.",
            text=CopyAnswer(
                text="Sci-fi and war, as in “Star Wars”.",
                source="template",
                kind="reason_line",
                language="en",
                digest="5d1f0c6f5fd6b4d3b8d8f2f5a8fb1c8b4b0e0b9b8b4b3a2d1c0f9e8d7c6b5a40",
            ),
        ),
        **refusals(400, 401, 403, 404, 413, 415, 503),
    },
    openapi_extra=object_body(CopyBody, dict(_ASKED)),
)
async def write_copy(request: Request, services: UseServices) -> Response:
    """Write a text about items, for a user, a history, a segment or nobody.

    It says nothing but what the items' records, facts and reasons support. A language model, if
    one is set up, has `timeout_s`; after that, and without one, a template answers.
    """
    async with services.bodies.read(request, limit=MAX_COPY_BYTES) as content:
        body = parse_object(content)
    style = services.copy.one_text.style
    language = accepted_language(request.headers.get("accept-language")) or style.language
    question = parse_copy(body, replace(style, language=language))
    async with services.answer_queue.turn():
        found = await services.copy.one_text.answer(question)
    return json_response(found, status=400 if isinstance(found, Refusal) else 200)
