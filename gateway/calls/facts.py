"""The calls that store facts about items and other entities, and withdraw them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.bodies.facts import FactBody, WithdrawnFact
from gateway.calls.records import STORED, take_records
from gateway.http.access import UseCaller, UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.openapi import answer, records_body, refusals

router = APIRouter(
    prefix="/v1",
    tags=["records"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

_FACT = {"head": "new-1", "relation": "director", "tail": "Ann Lee"}


@router.post(
    "/facts",
    status_code=202,
    responses=STORED,
    openapi_extra=records_body(FactBody, _FACT),
)
async def post_facts(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Store facts: one object, a list, or NDJSON.

    The record with the latest `at` counts of those with the same head, relation and tail.
    """
    return await take_records("fact", request, services, caller)


@router.delete(
    "/facts",
    responses={
        **answer(
            200,
            "The fact no longer holds, durably.",
            withdrawn=WithdrawnFact(
                head="new-1",
                relation="director",
                tail="Ann Lee",
                at="2026-01-31T12:00:00+00:00",
            ),
        ),
        **refusals(400, 401, 403, 404, 503),
    },
)
async def withdraw_fact(
    services: UseServices,
    head: Annotated[str, Query(description="What the fact is about.")],
    relation: Annotated[str, Query(description="The relation.")],
    tail: Annotated[str, Query(description="What the head is related to.")],
) -> Response:
    """Withdraw a fact: it is not shown any longer, and the next release is made without it.

    It stays withdrawn, until a record of a later time states it again.
    """
    async with services.record_queue.turn():
        fact = await run_in_threadpool(services.fact_changes.withdraw, (head, relation, tail))
    return json_response(
        WithdrawnFact(
            head=fact.head, relation=fact.relation, tail=fact.tail, at=fact.at.isoformat()
        )
    )
