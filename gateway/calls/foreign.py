"""The calls that store events in the forms of Segment, RudderStack and Google Analytics 4."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.bodies.foreign import ForeignAnswer, Ga4Body, IgnoredEvents
from gateway.bodies.records import RejectedRecord
from gateway.bodies.refusal import refusal
from gateway.calls.records import MAX_LISTED
from gateway.foreign import ga4, segment
from gateway.foreign.bodies import MAX_FOREIGN_BYTES, ga4_body, segment_calls
from gateway.foreign.translation import Outcome, rules_of
from gateway.http.access import UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.intake.foreign_intake import ForeignResult
from gateway.openapi import Responses, answer, object_body, refusals, track_body
from gateway.services import GatewayServices

MAX_NAMES = 100  # ignored names listed one by one; the events of the others are counted

router = APIRouter(
    prefix="/v1",
    tags=["other events"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

_TRACK_CALL = {
    "type": "track",
    "event": "Order Completed",
    "userId": "ann",
    "messageId": "msg-7312",
    "timestamp": "2026-01-31T12:00:00Z",
    "properties": {
        "order_id": "7312",
        "currency": "EUR",
        "products": [
            {"product_id": "50", "price": 29.9, "quantity": 2},
            {"product_id": "172", "price": 12, "quantity": 1},
        ],
    },
}
_GA4_BODY = {
    "client_id": "1046.1769",
    "user_id": "ann",
    "timestamp_micros": 1769860800000000,
    "events": [
        {
            "name": "purchase",
            "params": {
                "transaction_id": "T-7312",
                "currency": "EUR",
                "value": 71.8,
                "items": [{"item_id": "50", "price": 29.9, "quantity": 2}, {"item_id": "172"}],
            },
        }
    ],
}
_REJECTED = RejectedRecord(
    index=0,
    field="properties.products.1.quantity",
    reason="properties.products.1.quantity: found 0, expected a number from 0.001 to 1,000,000, "
    "or null",
)
_ANSWERS: Responses = {
    **answer(
        202,
        "The accepted events are durable and part of the users' histories.",
        accepted=ForeignAnswer(
            accepted=2,
            duplicates=0,
            rejected=(_REJECTED,),
            ignored=(IgnoredEvents(event="Products Searched", count=1),),
        ),
    ),
    **refusals(400, 401, 403, 413, 415, 503),
    **answer(
        400,
        "The body can't be read, or every event of it that has a type was rejected.",
        rejected=ForeignAnswer(accepted=0, duplicates=0, rejected=(_REJECTED,)),
        refusal=refusal("body", "the batch is empty; expected at least one call"),
    ),
}
_ANSWERS_OF_A_LIBRARY: Responses = {
    200: _ANSWERS[202],
    **{status: answered for status, answered in _ANSWERS.items() if status != 202},
}
_Unread = Annotated[str | None, Query(description="Google's parameter; it is not read.")]


@router.post(
    "/events/segment",
    status_code=202,
    responses=_ANSWERS,
    openapi_extra=track_body(dict(_TRACK_CALL)),
)
async def post_segment_events(request: Request, services: UseServices) -> Response:
    """Store `track` calls of Segment or RudderStack: one event for each product.

    What the mapping does not name is counted as ignored.
    """
    return await _take_track_calls(request, services, done=202)


@router.post(
    "/track",
    responses=_ANSWERS_OF_A_LIBRARY,
    openapi_extra=track_body(dict(_TRACK_CALL)),
    name="post_track_call",
)
@router.post(
    "/batch",
    responses=_ANSWERS_OF_A_LIBRARY,
    openapi_extra=track_body(dict(_TRACK_CALL)),
    name="post_track_batch",
)
async def post_track_calls(request: Request, services: UseServices) -> Response:
    """Store what a library of Segment or RudderStack sends, as `/v1/events/segment` does.

    RudderStack's libraries send a call again unless the status is exactly 200.
    """
    return await _take_track_calls(request, services, done=200)


async def _take_track_calls(request: Request, services: GatewayServices, *, done: int) -> Response:
    content_type = request.headers.get("content-type", "")
    own = services.settings.gateway.segment
    rules = rules_of(segment.SHIPPED, own.types, own.item_id)

    def outcomes(body: bytes | bytearray) -> Iterator[Outcome]:
        calls = segment_calls(body, content_type)
        return chain.from_iterable(
            segment.translate(index, call, rules) for index, call in enumerate(calls)
        )

    return await _take(outcomes, "gateway segment", request, services, done=done)


@router.post(
    "/events/ga4",
    status_code=202,
    responses=_ANSWERS,
    openapi_extra=object_body(Ga4Body, dict(_GA4_BODY)),
)
async def post_ga4_events(
    request: Request,
    services: UseServices,
    measurement_id: _Unread = None,
    firebase_app_id: _Unread = None,
    api_secret: _Unread = None,
) -> Response:
    """Store a body of Google Analytics' Measurement Protocol: one event for each item.

    What the mapping does not name is counted as ignored.
    """
    del measurement_id, firebase_app_id, api_secret
    own = services.settings.gateway.ga4
    rules = rules_of(ga4.SHIPPED, own.types, own.item_id)

    def outcomes(body: bytes | bytearray) -> Iterator[Outcome]:
        fields, events = ga4_body(body)
        sender = ga4.sender_of(fields)
        return chain.from_iterable(
            ga4.translate(index, event, sender, rules) for index, event in enumerate(events)
        )

    return await _take(outcomes, "gateway ga4", request, services, done=202)


async def _take(
    outcomes: Callable[[bytes | bytearray], Iterator[Outcome]],
    source: str,
    request: Request,
    services: GatewayServices,
    *,
    done: int,
) -> Response:
    async with (
        services.bodies.read(request, limit=MAX_FOREIGN_BYTES) as body,
        services.record_queue.turn(),
    ):
        result = await run_in_threadpool(
            lambda: services.foreign.take(outcomes(body), source=source)
        )
    num_ignored = sum(one.count for one in result.ignored)
    for outcome, number in (
        ("accepted", result.accepted),
        ("duplicate", result.duplicates),
        ("rejected", len(result.rejected)),
        ("ignored", num_ignored),
    ):
        services.metrics.records.labels(kind="event", outcome=outcome).inc(number)
    is_refused = result.rejected and not (result.accepted or result.duplicates)
    return json_response(_foreign_answer(result), status=400 if is_refused else done)


def _foreign_answer(result: ForeignResult) -> ForeignAnswer:
    num_unlisted = max(0, len(result.rejected) - MAX_LISTED)
    num_unnamed = sum(one.count for one in result.ignored[MAX_NAMES:])
    return ForeignAnswer(
        accepted=result.accepted,
        duplicates=result.duplicates,
        rejected=result.rejected[:MAX_LISTED],
        more_rejected=num_unlisted or None,
        ignored=result.ignored[:MAX_NAMES],
        more_ignored=num_unnamed or None,
    )
