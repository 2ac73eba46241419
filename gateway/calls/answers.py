"""The calls that ask the model: recommendations by user id, and `POST /predict`."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from gateway.bodies.recommendations import (
    FallbackAnswer,
    FallbackItem,
    PredictionAnswer,
    PredictionBody,
    RankedAnswer,
    RankedItem,
)
from gateway.bodies.refusal import Refusal
from gateway.http.access import UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.http.record_bodies import parse_object
from gateway.http.request_body import BadBody
from gateway.http.user_paths import check_length
from gateway.metrics import FALLBACK
from gateway.model.recommendations import MAX_K, RecommendationRequest, parse_filter
from gateway.openapi import answer, object_body, refusals

# 10,000 elements of history, of which the model reads 100; more would hold up the event loop
MAX_PREDICT_BYTES = 1024 * 1024

router = APIRouter(
    tags=["answers"], dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)]
)

_PREDICTION = {"user_seq": ["Toy Story (1995)", "Heat (1995)"], "item_desc": "GoldenEye (1995)"}
_VERSION_HEADER = {
    "X-Model-Version": {
        "description": "The release that answered.",
        "schema": {"type": "string", "examples": ["3"]},
    }
}


@router.get(
    "/v1/recommendations/{user_id:path}",
    responses={
        **answer(
            200,
            "The live model's items, or the popular ones while the model server does not answer.",
            ranked=RankedAnswer(
                user_id="ann",
                model_version=3,
                items=(
                    RankedItem(
                        id="181", title="Return of the Jedi (1983)", score=5.861498, rating=4.316891
                    ),
                ),
            ),
            fallback=FallbackAnswer(
                user_id="ann",
                model_version=3,
                items=(FallbackItem(id="50", title="Star Wars (1977)"),),
                reason="the model server did not answer in time",
            ),
        ),
        **refusals(400, 401, 403, 503),
    },
)
async def recommend(
    user_id: Annotated[str, Path(description="The user. An unknown one is a cold user.")],
    services: UseServices,
    k: Annotated[int, Query(ge=1, le=MAX_K, description="How many items.")] = 10,
    exclude_seen: Annotated[
        bool, Query(description="Leave out the user's newest 1,000 seen items.")
    ] = True,
    wanted: Annotated[
        list[str] | None,
        Query(
            alias="filter",
            description='`NAME:VALUE`, or a JSON object: `{"genre": "Comedy"}`. Repeated with one '
            "name, any of the values matches; with several names, all must match.",
            examples=[["genre:Comedy"]],
        ),
    ] = None,
) -> Response:
    """Recommend items to a user, without seen and hidden ones.

    While the model server does not answer, the popular items are returned with `"fallback": true`.
    """
    check_length(user_id)
    request = RecommendationRequest(
        user_id=user_id, k=k, exclude_seen=exclude_seen, filter=parse_filter(wanted or [])
    )
    began = time.perf_counter()
    async with services.answer_queue.turn():
        found = await services.recommendations.answer(request)
    match found:
        case Refusal():
            return json_response(found, status=400)
        case FallbackAnswer():
            services.metrics.fallbacks.inc()
            version: int | str = FALLBACK
        case RankedAnswer():
            version = found.model_version
    services.metrics.answers.add("recommendations", version, time.perf_counter() - began)
    return json_response(found)


@router.post(
    "/predict",
    responses={
        **answer(
            200,
            "The predicted rating.",
            headers=_VERSION_HEADER,
            predicted=PredictionAnswer(score=3.40523),
        ),
        **refusals(400, 401, 403, 413, 415, 503),
    },
    openapi_extra=object_body(PredictionBody, dict(_PREDICTION)),
)
async def predict(request: Request, services: UseServices) -> Response:
    """Predict how a user would rate an item. The user is given by a history, not by an id."""
    async with services.bodies.read(request, limit=MAX_PREDICT_BYTES) as content:
        body = parse_object(content)
    missing = [name for name in ("user_seq", "item_desc") if name not in body]
    if missing:
        raise BadBody(
            f'the body has no {missing[0]}; expected {{"user_seq": […], "item_desc": "…"}}'
        )
    began = time.perf_counter()
    async with services.answer_queue.turn():
        found = await services.inference.predict(body)
    if isinstance(found, Refusal):
        return json_response(found, status=400)
    version = found.model_version
    services.metrics.answers.add("predict", version, time.perf_counter() - began)
    return json_response(
        PredictionAnswer(score=found.score), headers={"X-Model-Version": str(version)}
    )
