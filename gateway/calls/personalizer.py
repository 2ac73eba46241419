"""The calls that Azure's Personalizer had, and the status of what they taught."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.bodies.personalizer import (
    MultiSlotRankRequest,
    MultiSlotRankResponse,
    MultiSlotRewardRequest,
    PersonalizerStatus,
    PolicyValueAnswer,
    RankedAction,
    RankRequest,
    RankResponse,
    RewardRequest,
    SlotResponse,
)
from gateway.content.typed_bodies import parse_body
from gateway.http.access import UseServices, require_key
from gateway.http.personalizer_route import PersonalizerRoute, error_response
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.openapi import Responses, answer, object_body, refusals
from gateway.personalizer.questions import ONE_SLOT

MAX_BODY_BYTES = 256 * 1024
VERSIONS = ("v1.0", "v1.1-preview.1", "v1.1-preview.2", "v1.1-preview.3")


async def known_version(
    api_version: Annotated[str, Path(description="The version of the client.", examples=["v1.0"])],
) -> None:
    """Refuse a path of a version that Azure never had."""
    if api_version not in VERSIONS:
        raise HTTPException(404)


EventId = Annotated[
    str, Path(description="The event's id, from the answer to its rank call.", examples=["e-7312"])
]
router = APIRouter(
    prefix="/personalizer/{api_version}",
    tags=["personalizer"],
    dependencies=[
        Depends(require_key),
        Depends(refuse_unknown_parameters),
        Depends(known_version),
    ],
    route_class=PersonalizerRoute,
)
status_router = APIRouter(
    prefix="/v1",
    tags=["personalizer"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

_CONTEXT = [{"timeOfDay": "Morning"}, {"device": {"mobile": True}}]
_ACTIONS = [
    {"id": "NewsArticle", "features": [{"type": "News"}]},
    {"id": "SportsArticle", "features": [{"type": "Sports"}]},
]
_SLOTS = [
    {"id": "Main Article", "features": [{"size": "Large"}], "baselineAction": "NewsArticle"},
    {"id": "Side Bar", "baselineAction": "SportsArticle"},
]
_RANKING = RankResponse(
    ranking=(
        RankedAction(id="SportsArticle", probability=0.9),
        RankedAction(id="NewsArticle", probability=0.1),
    ),
    event_id="e-7312",
    reward_action_id="SportsArticle",
)
_SLOTS_RANKED = MultiSlotRankResponse(
    slots=(
        SlotResponse(id="Main Article", reward_action_id="SportsArticle"),
        SlotResponse(id="Side Bar", reward_action_id="NewsArticle"),
    ),
    event_id="e-7312",
)
_VALUE = PolicyValueAnswer(mean=0.31, low=0.29, high=0.33)
_STATUS = PersonalizerStatus(
    mode="online",
    learned=8_214,
    waiting=61,
    agreement=0.34,
    served=_VALUE,
    model=PolicyValueAnswer(mean=0.33, low=0.31, high=0.35),
    baseline=PolicyValueAnswer(mean=0.19, low=0.14, high=0.24),
)


def personalizer_refusals(*statuses: int) -> Responses:
    """Return the descriptions of the refusals with these statuses, in Azure's form."""
    described: Responses = {}
    for status, response in refusals(*statuses).items():
        example = error_response(int(status), "The reason, in one sentence.", "actions")
        described |= answer(int(status), str(response["description"]), refusal=example)
    return described


def no_content(description: str) -> Responses:
    """Return the description of an answer without a body."""
    return {204: {"description": description}}


@router.post(
    "/rank",
    status_code=201,
    responses={
        **answer(201, "The action to show.", ranking=_RANKING),
        **personalizer_refusals(400, 401, 403, 404, 413, 415, 503),
    },
    openapi_extra=object_body(
        RankRequest, {"contextFeatures": _CONTEXT, "actions": _ACTIONS, "eventId": "e-7312"}
    ),
)
async def rank_actions(request: Request, services: UseServices) -> Response:
    """Choose one of at most 50 actions for a context, with the probability of each."""
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        asked = parse_body(RankRequest, content)
    return json_response(await services.personalizer.rank(asked), status=201)


@router.post(
    "/events/{event_id:text}/reward",
    status_code=204,
    responses={
        **no_content("The reward is stored; that of an unknown or old event is ignored."),
        **personalizer_refusals(400, 401, 403, 404, 413, 415, 503),
    },
    openapi_extra=object_body(RewardRequest, {"value": 1.0}),
)
async def reward_event(event_id: EventId, request: Request, services: UseServices) -> Response:
    """Say what the shown action earned, within the time to wait for rewards."""
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        value = parse_body(RewardRequest, content).value
    await services.personalizer.reward(event_id, {ONE_SLOT: value})
    return Response(status_code=204)


@router.post(
    "/events/{event_id:text}/activate",
    status_code=204,
    responses={
        **no_content("The event waits for its reward; an unknown or old event is ignored."),
        **personalizer_refusals(400, 401, 403, 404, 503),
    },
)
async def activate_event(event_id: EventId, services: UseServices) -> Response:
    """Say that the answer to a rank call with `deferActivation` was shown after all."""
    await services.personalizer.activate(event_id)
    return Response(status_code=204)


@router.post(
    "/multislot/rank",
    status_code=201,
    responses={
        **answer(201, "The actions to show.", ranking=_SLOTS_RANKED),
        **personalizer_refusals(400, 401, 403, 404, 413, 415, 503),
    },
    openapi_extra=object_body(
        MultiSlotRankRequest,
        {"contextFeatures": _CONTEXT, "actions": _ACTIONS, "slots": _SLOTS, "eventId": "e-7312"},
    ),
)
async def rank_slots(request: Request, services: UseServices) -> Response:
    """Choose an action for each of several slots, none of them twice."""
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        asked = parse_body(MultiSlotRankRequest, content)
    return json_response(await services.personalizer.rank_slots(asked), status=201)


@router.post(
    "/multislot/events/{event_id:text}/reward",
    status_code=204,
    responses={
        **no_content("The rewards are stored; those of unknown slots and old events are ignored."),
        **personalizer_refusals(400, 401, 403, 404, 413, 415, 503),
    },
    openapi_extra=object_body(
        MultiSlotRewardRequest, {"reward": [{"slotId": "Main Article", "value": 1.0}]}
    ),
)
async def reward_slots(event_id: EventId, request: Request, services: UseServices) -> Response:
    """Say what the actions in slots earned. A slot without a reward gets the default one."""
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        rewards = parse_body(MultiSlotRewardRequest, content).reward
    await services.personalizer.reward(event_id, {one.slot_id: one.value for one in rewards})
    return Response(status_code=204)


@router.post(
    "/multislot/events/{event_id:text}/activate",
    status_code=204,
    responses={
        **no_content("The event waits for its rewards; an unknown or old event is ignored."),
        **personalizer_refusals(400, 401, 403, 404, 503),
    },
)
async def activate_slots(event_id: EventId, services: UseServices) -> Response:
    """Say that the answer of several slots was shown after all."""
    await services.personalizer.activate(event_id)
    return Response(status_code=204)


@status_router.get(
    "/personalizer",
    responses={
        **answer(200, "What was learned.", learned=_STATUS),
        **refusals(400, 401, 403, 503),
    },
)
async def get_personalizer(services: UseServices) -> Response:
    """Return how much the Personalizer calls have taught, and what the policies are worth."""
    return json_response(await run_in_threadpool(services.personalizer.status))


ROUTERS = (router, status_router)
