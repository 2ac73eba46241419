"""The calls that ask the model: recommendations by user id, and the plain `/predict`.

Knows HTTP; how items are ranked is the model's.
"""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from gateway.http.access import UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.http.record_bodies import parse_object
from gateway.http.request_body import BadBody
from gateway.http.user_paths import check_length
from gateway.metrics import FALLBACK
from gateway.model.recommendations import MAX_K, Wish, parse_filter

MAX_PREDICT_BYTES = (
    1024 * 1024
)  # 10,000 elements of history, of which the model reads 100; more holds up the event loop

router = APIRouter(dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)])

_PREDICT = {"user_seq": ["Toy Story (1995)", "Heat (1995)"], "item_desc": "GoldenEye (1995)"}


@router.get("/v1/recommendations/{user_id:path}")
async def recommend(
    user_id: str,
    services: UseServices,
    k: Annotated[int, Query(ge=1, le=MAX_K)] = 10,
    exclude_seen: bool = True,
    wanted: Annotated[
        list[str] | None,
        Query(alias="filter", description='NAME:VALUE, or a JSON object: {"genre": "Comedy"}'),
    ] = None,
) -> Response:
    """Recommend k items to a user, seen and hidden ones left out. With the model server away: the popular items, `"fallback": true`."""
    check_length(user_id)
    wish = Wish(user_id=user_id, k=k, exclude_seen=exclude_seen, filter=parse_filter(wanted or []))
    began = time.perf_counter()
    async with services.answer_queue.turn():
        answer = await services.recommendations.answer(wish)
    if isinstance(answer.body, dict) and answer.status == 200:
        is_fallback = bool(answer.body.get("fallback"))
        if is_fallback:
            services.metrics.fallbacks.inc()
        version = FALLBACK if is_fallback else answer.body.get("model_version")
        services.metrics.answers.add("recommendations", version, time.perf_counter() - began)
    return json_response(answer.body, status=answer.status)


@router.post(
    "/predict",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"example": _PREDICT}}}
    },
)
async def predict(request: Request, services: UseServices) -> Response:
    """Predict a rating: `{"user_seq": [...], "item_desc": "..."}` gives `{"score": 3.91}`."""
    async with services.bodies.read(request, limit=MAX_PREDICT_BYTES) as content:
        body = parse_object(content)
    missing = [name for name in ("user_seq", "item_desc") if name not in body]
    if missing:
        raise BadBody(f'found no {missing[0]}, expected {{"user_seq": […], "item_desc": "…"}}')
    began = time.perf_counter()
    async with services.answer_queue.turn():
        answer = await services.inference.predict(body)
    if answer.status != 200 or not isinstance(answer.body, dict):
        return json_response(answer.body, status=answer.status)
    version = str(answer.body.get("model_version"))
    services.metrics.answers.add("predict", version, time.perf_counter() - began)
    return json_response({"score": answer.body.get("score")}, headers={"X-Model-Version": version})
