"""The calls that recommend items: by user id, and by a body with a session and options."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from gateway.bodies.copy import ItemCopy
from gateway.bodies.recommendation_request import RecommendationBody
from gateway.bodies.recommendations import (
    FallbackAnswer,
    FallbackItem,
    ItemReason,
    NearItem,
    RankedAnswer,
    RankedItem,
)
from gateway.bodies.refusal import Refusal
from gateway.callers import visitors
from gateway.content.languages import accepted_language
from gateway.content.record_bodies import is_ndjson, parse_object, raw_lines
from gateway.content.request_body import BadBody
from gateway.http.access import UseCaller, UseServices, services_of
from gateway.http.problems import json_response
from gateway.http.query import names_in_query
from gateway.http.quick_route import CHECKS, QuickRoute
from gateway.http.shown import Shown
from gateway.http.streamed_lines import StreamedLines
from gateway.http.user_paths import USER_ID, check_length
from gateway.metrics import FALLBACK
from gateway.model.recommendation_body import parse_recommendation
from gateway.model.recommendation_lines import answer_lines
from gateway.model.recommendation_request import LEFT_TO_PLACEMENTS, RecommendationRequest
from gateway.model.recommendations import Answered
from gateway.openapi import answer, questions_body, refusals
from gateway.services import GatewayServices
from recommender.requests.wire import MAX_K

# three lists of 10,000 ids of 100 bytes and some more
MAX_BODY_BYTES = 4 * 1024 * 1024
# 100,000 users of 80 bytes; the memory for bodies is needed by other calls while this one works
MAX_BATCH_BYTES = 8 * 1024 * 1024

router = APIRouter(tags=["answers"], dependencies=CHECKS, route_class=QuickRoute)

_ID = "01a21201-e281-7a76-aed1-b5da2d1fa61f"
_REASON = ItemReason(
    nearest=(NearItem(id="50", title="Star Wars (1977)", share=0.6917),),
    shared={"genre": ["Action", "Sci-Fi"]},
    popular=True,
    new=False,
)
_ITEM = RankedItem(
    rank=1, id="181", title="Return of the Jedi (1983)", score=5.861498, rating=4.316891
)
_ANSWERS = answer(
    200,
    "The live model's items, or the popular ones while the model server does not answer.",
    ranked=RankedAnswer(
        recommendation_id=_ID,
        user_id="ann",
        model_version=3,
        items=(_ITEM,),
    ),
    explained=RankedAnswer(
        recommendation_id=_ID,
        user_id=None,
        model_version=3,
        items=(replace(_ITEM, reason=_REASON),),
        unknown=("new-1",),
    ),
    copy=RankedAnswer(
        recommendation_id=_ID,
        user_id="ann",
        model_version=3,
        items=(
            replace(
                _ITEM, copy=ItemCopy(text="Sci-fi and war, as in “Star Wars”.", source="template")
            ),
        ),
        row_title=ItemCopy(text="More sci-fi and war, after “Star Wars”", source="template"),
    ),
    fallback=FallbackAnswer(
        recommendation_id=_ID,
        user_id="ann",
        model_version=3,
        items=(FallbackItem(rank=1, id="50", title="Star Wars (1977)"),),
        reason="the model server did not answer in time",
    ),
)
_QUESTION = {
    "user_id": "ann",
    "history": [{"id": "50", "type": "view"}],
    "k": 3,
    "filter": {"genre": ["Comedy", "Sci-Fi"]},
    "context": {"item_id": "172"},
    "explain": True,
}


@router.get(
    f"/v1/recommendations/{USER_ID}",
    responses={**_ANSWERS, **refusals(400, 401, 403, 503)},
)
async def recommend(
    request: Request,
    user_id: Annotated[str, Path(description="The user. An unknown one is a cold user.")],
    shown: Shown,
    k: Annotated[int, Query(ge=1, le=MAX_K, description="How many items.")] = 10,
    exclude_seen: Annotated[
        bool, Query(description="Leave out the user's newest 1,000 seen items.")
    ] = True,
    placement: Annotated[
        str | None,
        Query(
            description="The place that shows the list: its rules are applied, and `k` and "
            "`exclude_seen` override its own.",
            examples=["home"],
        ),
    ] = None,
) -> Response:
    """Recommend items to a user, without seen and hidden ones.

    While the model server does not answer, the popular items are returned with `"fallback": true`.
    """
    check_length(user_id)
    asked = RecommendationRequest(
        user_id=user_id,
        k=k,
        exclude_seen=exclude_seen,
        filter=shown.attributes.filter,
        attributes=shown.attributes.shown,
        placement=placement,
        copy=shown.copy,
        language=shown.language,
        left_out=LEFT_TO_PLACEMENTS - names_in_query(request),
    )
    return await _answer(asked, request, await services_of(request))


@router.post(
    "/v1/recommendations",
    responses={**_ANSWERS, **refusals(400, 401, 403, 413, 415, 503)},
    openapi_extra=questions_body(RecommendationBody, dict(_QUESTION)),
)
async def post_recommendations(
    request: Request, services: UseServices, caller: UseCaller
) -> Response:
    """Recommend items to a user, to a visitor with a session, or to both as one.

    While the model server does not answer, the popular items are returned with `"fallback": true`.
    A browser key may send bodies of at most 64 KiB, and no user id that can be guessed.

    NDJSON asks many questions, one on each line, at most 100,000 in 8 MiB. The answers are sent as
    they are ready, one on each line in the same order; a line that is refused is answered by its
    `error`. A browser key may not send NDJSON.
    """
    if is_ndjson(request.headers.get("content-type", "")):
        if caller.is_browser:
            raise BadBody("NDJSON is not for browser keys; send one JSON object", status=403)
        return await _stream(request, services)
    limit = visitors.MAX_BODY_BYTES if caller.is_browser else MAX_BODY_BYTES
    async with services.bodies.read(request, limit=limit) as content:
        asked = parse_recommendation(parse_object(content))
    if caller.is_browser:
        services.visitors.check_session(asked.history)
        services.visitors.check_attributes(asked.attributes, "attributes")
        services.visitors.check_attributes(asked.filter, "filter")
        if asked.visitor_id is not None:
            services.visitors.check_user_id(asked.visitor_id)
    return await _answer(asked, request, services)


async def _answer(
    asked: RecommendationRequest, request: Request, services: GatewayServices
) -> Response:
    began = time.perf_counter()
    asked = _in_accepted_language(asked, request)
    async with services.answer_queue.turn():
        found = await services.copy.lists.answer(asked)
    _count(found, services, seconds=time.perf_counter() - began)
    return json_response(found, status=400 if isinstance(found, Refusal) else 200)


async def _stream(request: Request, services: GatewayServices) -> Response:
    async def answer_one(body: Mapping[str, object]) -> Answered:
        asked = _in_accepted_language(parse_recommendation(body), request)
        began = time.perf_counter()
        found = await services.copy.lists.answer(asked)
        _count(found, services, seconds=time.perf_counter() - began)
        return found

    async with AsyncExitStack() as held:
        reading = services.bodies.read(request, limit=MAX_BATCH_BYTES)
        lines = raw_lines(await held.enter_async_context(reading))
        await held.enter_async_context(services.batch_queue.turn())
        return StreamedLines(answer_lines(lines, answer_one), held=held.pop_all())


def _in_accepted_language(asked: RecommendationRequest, request: Request) -> RecommendationRequest:
    """Return the question in its own language, or in one that the caller accepts."""
    if not asked.copy or asked.language is not None:
        return asked
    return replace(asked, language=accepted_language(request.headers.get("accept-language")))


def _count(found: Answered, services: GatewayServices, *, seconds: float) -> None:
    """Count an answer and record its list."""
    match found:
        case Refusal():
            return
        case FallbackAnswer():
            services.metrics.fallbacks.inc()
            version: int | str = FALLBACK
        case RankedAnswer():
            version = found.model_version
    services.metrics.answers.add("recommendations", version, seconds)
    services.slates.record(found)
