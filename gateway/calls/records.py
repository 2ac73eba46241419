"""The calls that bring records in: `POST /v1/events`, `POST /v1/items`, and the one that forgets a user.

Knows HTTP; what a record is and where it goes is `gateway.intake.intake`'s.
"""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.http.access import UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.http.record_bodies import MAX_CALL_BYTES, NDJSON, raw_records
from gateway.http.user_paths import USER_ID
from gateway.intake.intake import Kind, Taken
from gateway.services import GatewayServices

router = APIRouter(
    prefix="/v1", dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)]
)

MAX_LISTED = 1_000  # rejections told one by one; their number is told always

_EVENT = {
    "user_id": "ann",
    "item_id": "50",
    "type": "rating",
    "rating": 5,
    "at": "2026-01-31T12:00:00Z",
}
_ITEM = {
    "item_id": "new-1",
    "title": "The River (2026)",
    "text": "A river floods a valley.",
    "attributes": {"genre": ["Drama"]},
}


def _body_of(example: dict[str, object]) -> dict[str, object]:
    one = {
        "schema": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
        "example": example,
    }
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": one, NDJSON: {"schema": {"type": "string"}}},
        }
    }


@router.post("/events", status_code=202, openapi_extra=_body_of(dict(_EVENT)))
async def post_events(request: Request, services: UseServices) -> Response:
    """Take events: one object, a list, or NDJSON. Once this answers they are durable, and part of the users' histories."""
    return await _take("event", request, services)


@router.post("/items", status_code=202, openapi_extra=_body_of(dict(_ITEM)))
async def post_items(request: Request, services: UseServices) -> Response:
    """Take items: one object, a list, or NDJSON. The last record of an item wins; `hidden` works at once."""
    return await _take("item", request, services)


@router.delete(f"/users/{USER_ID}")
def forget_user(user_id: str, services: UseServices) -> Response:
    """Forget a user: the next recommendation is a cold user's, and the worker erases what they did in its next turn.

    The next full retrain learns without it. What the same id does later counts again.
    """
    done = services.forget(user_id)
    return json_response({"user_id": user_id, "forgotten": True, "up_to": done.up_to.isoformat()})


async def _take(kind: Kind, request: Request, services: GatewayServices) -> Response:
    content_type = request.headers.get("content-type", "")
    async with (
        services.bodies.read(request, limit=MAX_CALL_BYTES) as body,
        services.record_queue.turn(),
    ):
        taken = await run_in_threadpool(
            lambda: services.intake.take(kind, raw_records(body, content_type))
        )
    for outcome, number in (
        ("accepted", taken.accepted),
        ("duplicate", taken.duplicates),
        ("rejected", len(taken.rejected)),
    ):
        services.metrics.records.labels(kind=kind, outcome=outcome).inc(number)
    return json_response(_answer(taken), status=202 if taken.accepted or taken.duplicates else 400)


def _answer(taken: Taken) -> dict[str, object]:
    answer: dict[str, object] = {
        "accepted": taken.accepted,
        "duplicates": taken.duplicates,
        "rejected": [asdict(rejected) for rejected in taken.rejected[:MAX_LISTED]],
    }
    if len(taken.rejected) > MAX_LISTED:
        answer["more_rejected"] = len(taken.rejected) - MAX_LISTED
    return answer | (
        {"event_ids": [asdict(assigned) for assigned in taken.event_ids]} if taken.event_ids else {}
    )
