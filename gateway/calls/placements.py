"""The calls that read and write placements; each change is recorded with the key's name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cron.ledger import placement_rows
from cron.placement import Placement, check_name, parse_placement, placement_json
from gateway.bodies.placements import (
    DeletedPlacement,
    PlacementAnswer,
    PlacementBody,
    PlacementChangeAnswer,
    PlacementChanges,
    PlacementList,
)
from gateway.bodies.refusal import Refusal
from gateway.content.record_bodies import parse_object
from gateway.http.access import UseCaller, UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.model.answers import NoAnswer
from gateway.model.inference import Inference
from gateway.model.questions import NO_HISTORY, TopItemsQuestion, encode_filter
from gateway.openapi import answer, object_body, refusals
from gateway.placements.errors import PlacementInSettings, UnknownPlacement
from gateway.placements.named import NamedPlacements
from gateway.waiting_queue import Overloaded

MAX_BODY_BYTES = 256 * 1024
MAX_CHANGES = 1_000
PlacementName = Annotated[str, Path(description="The placement's name.")]

router = APIRouter(
    prefix="/v1/placements",
    tags=["placements"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

_RULES: dict[str, object] = {"k": 12, "at_most": {"brand": 3}, "diversity": 0.3}
_ONE = PlacementAnswer(name="home", source="api", rules=_RULES)


@router.get(
    "",
    responses={
        **answer(200, "All placements.", placements=PlacementList(placements=(_ONE,))),
        **refusals(400, 401, 403),
    },
)
async def list_placements(services: UseServices) -> Response:
    """List all placements by name."""
    placements = services.placements
    names = sorted(placements.by_name)
    return json_response(
        PlacementList(placements=tuple(_answer_of(placements, one) for one in names))
    )


@router.get(
    "/{name}",
    responses={**answer(200, "The placement.", placement=_ONE), **refusals(400, 401, 403, 404)},
)
async def get_placement(name: PlacementName, services: UseServices) -> Response:
    """Return a placement."""
    return json_response(_answer_of(services.placements, name))


@router.put(
    "/{name}",
    responses={
        **answer(200, "The placement; it applies in all gateways within a second.", placement=_ONE),
        **refusals(400, 401, 403, 413, 415, 503),
    },
    openapi_extra=object_body(PlacementBody, dict(_RULES)),
)
async def put_placement(
    name: PlacementName, request: Request, services: UseServices, caller: UseCaller
) -> Response:
    """Write a placement as a whole; it overrides one of the settings with the same name."""
    check_name(name, "name")
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        placement = parse_placement(parse_object(content))
    await run_in_threadpool(services.placements.change, name, placement, by=caller.name)
    warnings = await _unknown_attributes(services.inference, placement.attributes)
    rules = placement_json(placement)
    return json_response(
        PlacementAnswer(name=name, source="api", rules=rules, warnings=tuple(warnings))
    )


@router.delete(
    "/{name}",
    responses={
        **answer(200, "The placement is deleted.", deleted=DeletedPlacement(name="home")),
        **refusals(400, 401, 403, 404, 409, 503),
    },
)
async def delete_placement(
    name: PlacementName, services: UseServices, caller: UseCaller
) -> Response:
    """Delete a placement of the API; one of the settings with the same name applies again."""
    placements = services.placements
    await run_in_threadpool(placements.refresh)
    if name not in placements.of_ledger:
        if name in placements.of_settings:
            raise PlacementInSettings(name)
        raise UnknownPlacement(name)
    await run_in_threadpool(placements.change, name, None, by=caller.name)
    return json_response(DeletedPlacement(name=name))


@router.get(
    "/{name}/changes",
    responses={
        **answer(
            200,
            "The newest changes, newest first.",
            changes=PlacementChanges(
                name="home",
                changes=(
                    PlacementChangeAnswer(
                        at="2026-03-01T12:00:00+00:00", by="ops", before=None, after=_RULES
                    ),
                ),
            ),
        ),
        **refusals(400, 401, 403, 404, 503),
    },
)
async def list_changes(
    name: PlacementName,
    services: UseServices,
    k: Annotated[int, Query(ge=1, le=MAX_CHANGES, description="How many changes.")] = 20,
) -> Response:
    """List who changed a placement over the API, when, and what it was before and after."""
    ledger = services.placements.ledger
    found = await run_in_threadpool(placement_rows.changes, ledger, name, k)
    if not found and name not in services.placements.of_settings:
        raise UnknownPlacement(name)
    changes = tuple(
        PlacementChangeAnswer(
            at=one.at.isoformat(), by=one.by, before=_rules(one.before), after=_rules(one.after)
        )
        for one in found
    )
    return json_response(PlacementChanges(name=name, changes=changes))


def _answer_of(placements: NamedPlacements, name: str) -> PlacementAnswer:
    placement = placements.by_name.get(name)
    if placement is None:
        raise UnknownPlacement(name)
    source: Literal["api", "settings"] = "api" if name in placements.of_ledger else "settings"
    return PlacementAnswer(name=name, source=source, rules=placement_json(placement))


def _rules(placement: Placement | None) -> dict[str, object] | None:
    return None if placement is None else placement_json(placement)


async def _unknown_attributes(inference: Inference, names: Iterable[str]) -> list[str]:
    """Return a warning for each attribute that the live release refuses in a filter."""
    warnings: list[str] = []
    for name in sorted(names):
        question = TopItemsQuestion(
            user_seq=NO_HISTORY,
            k=1,
            exclude_seen=True,
            exclude=(),
            filter=encode_filter({name: ""}),
        )
        try:
            found = await inference.recommend(question)
        except (NoAnswer, Overloaded):
            return [*warnings, "the model does not answer, so attributes were not looked up"]
        if isinstance(found, Refusal):
            warnings.append(f"{name}: no item of the live release has this attribute")
    return warnings
