"""The call that predicts a rating: `POST /predict`."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.bodies.predictions import PredictionAnswer, PredictionBody
from gateway.bodies.refusal import Refusal
from gateway.content.record_bodies import parse_object
from gateway.content.request_body import BadBody
from gateway.http.access import UseServices
from gateway.http.problems import json_response
from gateway.http.quick_route import CHECKS, QuickRoute
from gateway.openapi import answer, object_body, refusals

# 10,000 elements of history, of which the model reads 100; more would hold up the event loop
MAX_PREDICT_BYTES = 1024 * 1024

router = APIRouter(tags=["answers"], dependencies=CHECKS, route_class=QuickRoute)

_PREDICTION = {"user_seq": ["Toy Story (1995)", "Heat (1995)"], "item_desc": "GoldenEye (1995)"}
_VERSION_HEADER = {
    "X-Model-Version": {
        "description": "The release that answered.",
        "schema": {"type": "string", "examples": ["3"]},
    }
}


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
