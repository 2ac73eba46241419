"""The call for one text: `POST /v1/copy`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from copywriter.brief import Brief
from copywriter.ready_text import ReadyText
from gateway.bodies.copy import CopyAnswer, CopyBody, ItemCopy
from gateway.bodies.refusal import Refusal
from gateway.content.languages import accepted_language
from gateway.content.record_bodies import parse_object
from gateway.copy.lists import CopySources
from gateway.copy.long_text import LongText, join_parts, long_text_of, written_parts
from gateway.copy.one_text import OneText, brief_of
from gateway.copy.questions import CopyQuestion, parse_copy
from gateway.http.access import UseServices
from gateway.http.event_stream import EVENT_STREAM, EventStream, ServerSentEvent
from gateway.http.problems import json_response
from gateway.http.quick_route import CHECKS, QuickRoute
from gateway.model.recommendations import Answered
from gateway.openapi import answer, object_body, refusals

MAX_COPY_BYTES = 256 * 1024  # 110 ids of 512 characters, and some more

router = APIRouter(tags=["answers"], dependencies=CHECKS, route_class=QuickRoute)

_ASKED = {"item_ids": ["181"], "user_id": "ann", "kind": "reason_line", "language": "en"}


_EXAMPLE = CopyAnswer(
    text="Sci-fi and war, as in “Star Wars”.",
    source="template",
    kind="reason_line",
    language="en",
    digest="5d1f0c6f5fd6b4d3b8d8f2f5a8fb1c8b4b0e0b9b8b4b3a2d1c0f9e8d7c6b5a40",
)
_EVENT = """event: sentence
data: {"text": "“Heat” (1995): crime.", "source": "writer"}

"""
_STREAM: Mapping[str, object] = {
    "schema": {
        "type": "string",
        "description": "An event `sentence` for each part of the text, with its `text` and "
        "`source`, as soon as it is written and verified; at last an event `copy` with the whole.",
    },
    "examples": {"sentence": {"value": _EVENT}},
}


@router.post(
    "/v1/copy",
    responses={
        **answer(200, "A text.", others={EVENT_STREAM: _STREAM}, text=_EXAMPLE),
        **refusals(400, 401, 403, 404, 413, 415, 503),
    },
    openapi_extra=object_body(CopyBody, dict(_ASKED)),
)
async def write_copy(request: Request, services: UseServices) -> Response:
    """Write a text about items, for a user, a history, a segment or nobody.

    It says nothing but what the items' records, facts and reasons support. A language model, if
    one is set up, has `timeout_s`; after that, and without one, a template answers. With `Accept:
    text/event-stream` the parts of a newsletter are sent one by one, each when it is verified.
    """
    async with services.bodies.read(request, limit=MAX_COPY_BYTES) as content:
        body = parse_object(content)
    one_text = services.copy.one_text
    language = accepted_language(request.headers.get("accept-language")) or one_text.style.language
    question = parse_copy(body, replace(one_text.style, language=language))
    # a model may write for long: the turn is for the reasons alone
    async with services.answer_queue.turn():
        answered = await one_text.reasons(question)
    if isinstance(answered, Refusal):
        return json_response(answered, status=400)
    text = await run_in_threadpool(_text_in_parts, request, question, answered, one_text.sources)
    if _wants_events(request):
        return EventStream(_events(text, question, one_text))
    written = await one_text.text(text.whole, question.timeout_s)
    return json_response(_answer_of(written, question, text.whole))


def _wants_events(request: Request) -> bool:
    return EVENT_STREAM in request.headers.get("accept", "")


def _text_in_parts(
    request: Request, question: CopyQuestion, answered: Answered, sources: CopySources
) -> LongText:
    if _wants_events(request):
        return long_text_of(question, answered, sources)
    return LongText(whole=brief_of(question, answered, sources), parts=())


async def _events(
    text: LongText, question: CopyQuestion, one_text: OneText
) -> AsyncIterator[ServerSentEvent]:
    parts: list[ReadyText] = []
    async for part in written_parts(text, one_text.text, within_s=question.timeout_s):
        parts.append(part)
        body = ItemCopy(text=part.text, source=part.source)
        yield ServerSentEvent(name="sentence", body=body)
    whole = _answer_of(join_parts(parts, text.whole), question, text.whole)
    yield ServerSentEvent(name="copy", body=whole)


def _answer_of(text: ReadyText, question: CopyQuestion, brief: Brief) -> CopyAnswer:
    return CopyAnswer(
        text=text.text,
        source=text.source,
        kind=question.kind,
        language=brief.language,
        digest=brief.digest(),
    )
