"""The calls that store events and items, and the call that forgets a user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.bodies.records import (
    AssignedId,
    EventBody,
    ForgottenUser,
    ItemBody,
    RecordsAnswer,
    RejectedRecord,
    stored_events_json,
)
from gateway.bodies.refusal import refusal
from gateway.callers import visitors
from gateway.callers.keyring import Caller
from gateway.content.feed_bodies import FEED_TYPES, feed_items, is_feed
from gateway.content.record_bodies import MAX_CALL_BYTES, Raw, Refused, is_plain, raw_records
from gateway.http.access import UseCaller, UseServices
from gateway.http.problems import json_response
from gateway.http.quick_route import CHECKS, QuickRoute
from gateway.http.user_paths import USER_ID
from gateway.intake.record_intake import IntakeResult, RecordKind
from gateway.openapi import Responses, answer, items_body, records_body, refusals
from gateway.services import GatewayServices

MAX_LISTED = 1_000  # rejections listed one by one; the others are counted

router = APIRouter(
    prefix="/v1",
    tags=["records"],
    dependencies=CHECKS,
    route_class=QuickRoute,
)

_EVENT = {
    "event_id": "order-7312",
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
    "attributes": {"genre": ["Drama"], "year": 2026},
}
_REJECTED = RejectedRecord(
    index=1,
    field="rating",
    reason="rating: found 'five', expected a number from -1,000,000 to 1,000,000, or null",
)
STORED: Responses = {
    **answer(
        202,
        "The accepted records are durable, and accepted events are part of the users' histories.",
        accepted=RecordsAnswer(
            accepted=1,
            duplicates=0,
            rejected=(_REJECTED,),
            event_ids=(AssignedId(index=0, event_id="01a21201-e281-7a76-aed1-b5da2d1fa61f"),),
        ),
    ),
    **refusals(400, 401, 403, 413, 415, 503),
    **answer(
        400,
        "The body can't be read, or every record was rejected.",
        rejected=RecordsAnswer(accepted=0, duplicates=0, rejected=(_REJECTED,)),
        refusal=refusal(
            "body", "the body is empty; expected a JSON object, a list of them, or NDJSON"
        ),
    ),
}


@router.post(
    "/events",
    status_code=202,
    responses=STORED,
    openapi_extra=records_body(EventBody, dict(_EVENT)),
)
async def post_events(
    request: Request,
    services: UseServices,
    caller: UseCaller,
    _key: Annotated[
        str | None,
        Query(
            alias="key",
            description="A browser key, for `sendBeacon`, which sends no `Authorization` header.",
        ),
    ] = None,
) -> Response:
    """Store events: one object, a list, or NDJSON.

    After the answer they are durable and part of the users' histories. A browser key may send what
    a visitor does (`gateway.browser_types`), in bodies of at most 64 KiB.
    """
    return await take_records("event", request, services, caller)


@router.post(
    "/items",
    status_code=202,
    responses=STORED,
    openapi_extra=items_body(ItemBody, dict(_ITEM), feeds=FEED_TYPES),
)
async def post_items(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Store items: one object, a list, NDJSON, or a product feed as XML, TSV or CSV.

    The latest record of an item replaces the others; `hidden` takes effect at once.
    """
    return await take_records("item", request, services, caller)


@router.delete(
    f"/users/{USER_ID}",
    responses={
        **answer(
            200,
            "The user is a cold user from now on.",
            forgotten=ForgottenUser(user_id="ann", up_to="2026-01-31T12:00:00+00:00"),
        ),
        **refusals(400, 401, 403, 503),
    },
)
def forget_user(
    user_id: Annotated[str, Path(description="The user to forget.")], services: UseServices
) -> Response:
    """Forget a user: the history is gone at once, the worker erases the rest in its next turn.

    The next full retrain learns without it. Later events of the same id count again.
    """
    done = services.forget(user_id)
    return json_response(ForgottenUser(user_id=user_id, up_to=done.up_to.isoformat()))


async def take_records(
    kind: RecordKind, request: Request, services: GatewayServices, caller: Caller
) -> Response:
    """Store the records of a body and say what became of them."""
    content_type = request.headers.get("content-type", "")
    limit = visitors.MAX_BODY_BYTES if caller.is_browser else MAX_CALL_BYTES
    async with services.bodies.read(request, limit=limit) as body:
        is_items_feed = kind == "item" and is_feed(content_type)
        if not caller.is_browser and not is_items_feed and is_plain(body, content_type):
            async with services.plain_queue.turn():
                answer = await _take_plain(kind, body, services)
            if answer is not None:
                return answer
        raw: Iterator[Raw | Refused] = raw_records(body, content_type)
        if is_items_feed:
            hides = services.settings.items.hide_out_of_stock
            raw = feed_items(body, content_type, hides_out_of_stock=hides)
        check = services.visitors.check_record if caller.is_browser else None
        async with services.record_queue.turn():
            result = await run_in_threadpool(services.intake.take, kind, raw, check)
    return _answer(kind, result, services)


async def _take_plain(
    kind: RecordKind, body: bytes | bytearray, services: GatewayServices
) -> Response | None:
    """Store the records of a small call, with other calls; None where one is not valid."""
    if kind == "event":
        return await _take_plain_events(body, services)
    plain = services.intake.parse_plain(kind, body)
    if plain is None:
        return None
    num_duplicates = await services.record_groups.store(kind, plain.records)
    result = IntakeResult(
        accepted=len(plain.records) - num_duplicates,
        duplicates=num_duplicates,
        rejected=(),
        event_ids=plain.event_ids,
    )
    return _answer(kind, result, services)


async def _take_plain_events(body: bytes | bytearray, services: GatewayServices) -> Response | None:
    batch = services.intake.parse_events(body)
    if batch is None:
        return None
    num_duplicates = await services.record_groups.store_events(batch)
    num_accepted = batch.num_events - num_duplicates
    services.metrics.count_records("event", accepted=num_accepted, duplicates=num_duplicates)
    content = stored_events_json(
        num_accepted, num_duplicates, batch.assigned, batch.lines.event_ids
    )
    return Response(content, 202, media_type="application/json")


def _answer(kind: RecordKind, result: IntakeResult, services: GatewayServices) -> Response:
    services.metrics.count_records(
        kind,
        accepted=result.accepted,
        duplicates=result.duplicates,
        rejected=len(result.rejected),
    )
    status = 202 if result.accepted or result.duplicates else 400
    return json_response(_records_answer(result), status=status)


def _records_answer(result: IntakeResult) -> RecordsAnswer:
    num_unlisted = max(0, len(result.rejected) - MAX_LISTED)
    return RecordsAnswer(
        accepted=result.accepted,
        duplicates=result.duplicates,
        rejected=result.rejected[:MAX_LISTED],
        more_rejected=num_unlisted or None,
        event_ids=result.event_ids or None,
    )
