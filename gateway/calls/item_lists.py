"""The calls that list items without a user: popular, trending and new ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cron.item_counts import MAX_COMPARED_WINDOW, MAX_WINDOW
from gateway.bodies.item_lists import (
    NewAnswer,
    NewItem,
    PopularAnswer,
    PopularItemAnswer,
    TrendingAnswer,
    TrendingItem,
)
from gateway.copy.item_lists import ListedRow
from gateway.http.access import UseServices, require_key
from gateway.http.attributes import Attributes
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.http.texts import Texts
from gateway.items.matching import ItemFilter, item_filter
from gateway.items.shown_attributes import with_attributes
from gateway.items.windows import parse_window
from gateway.openapi import answer, refusals
from gateway.services import GatewayServices
from recommender.requests.wire import MAX_K

router = APIRouter(
    prefix="/v1",
    tags=["items"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

NumItems = Annotated[int, Query(ge=1, le=MAX_K, description="How many items.")]


@router.get(
    "/popular",
    responses={
        **answer(
            200,
            "Popular items.",
            window=PopularAnswer(
                items=(PopularItemAnswer(id="50", title="Star Wars (1977)", events=140),),
                model_version=None,
            ),
            release=PopularAnswer(
                items=(PopularItemAnswer(id="50", title="Star Wars (1977)"),), model_version=3
            ),
        ),
        **refusals(400, 401, 403, 503),
    },
)
async def list_popular(
    services: UseServices,
    attributes: Attributes,
    texts: Texts,
    k: NumItems = 10,
    window: Annotated[
        str | None,
        Query(
            description="The time to count: `1h` to `48h`, or `1d` to `28d`. Without it, the "
            "popular items of the live release.",
            examples=["7d"],
        ),
    ] = None,
) -> Response:
    """List popular items, of a window or of all time, without hidden ones.

    A window's counts are up to a minute old.
    """
    filter_ = item_filter(attributes.filter)
    length = None if window is None else parse_window(window, longest=MAX_WINDOW)
    async with services.list_queue.turn():
        if length is None:
            found = await run_in_threadpool(_of_release, services, filter_, k)
        else:
            items = await run_in_threadpool(services.item_rankings.popular, length, filter_, k)
            found = PopularAnswer(items=tuple(items), model_version=None)
        shown = await with_attributes(found.items, attributes.shown, services.item_records)
        with_texts = await services.copy.item_lists.add(shown, ListedRow(kind="popular"), texts)
    return json_response(replace(found, items=with_texts.items, row_title=with_texts.row_title))


@router.get(
    "/trending",
    responses={
        **answer(
            200,
            "Trending items.",
            trending=TrendingAnswer(
                items=(
                    TrendingItem(
                        id="50", title="Star Wars (1977)", score=7.41, events=140, expected=71.5
                    ),
                )
            ),
        ),
        **refusals(400, 401, 403, 503),
    },
)
async def list_trending(
    services: UseServices,
    attributes: Attributes,
    texts: Texts,
    k: NumItems = 10,
    window: Annotated[
        str, Query(description="The time to look at: `1h` to `48h`, or `1d` to `7d`.")
    ] = "24h",
) -> Response:
    """List the items whose share of the events grew most unusually, without hidden ones.

    The share in the window is compared with that of the four weeks before. An item needs five
    events in the window. Counts are up to a minute old.
    """
    filter_ = item_filter(attributes.filter)
    length = parse_window(window, longest=MAX_COMPARED_WINDOW)
    async with services.list_queue.turn():
        items = await run_in_threadpool(services.item_rankings.trending, length, filter_, k)
        shown = await with_attributes(items, attributes.shown, services.item_records)
        with_texts = await services.copy.item_lists.add(shown, ListedRow(kind="trending"), texts)
    return json_response(TrendingAnswer(items=with_texts.items, row_title=with_texts.row_title))


@router.get(
    "/new",
    responses={
        **answer(
            200,
            "New items.",
            new=NewAnswer(
                items=(
                    NewItem(
                        id="new-1", title="The River (2026)", first_at="2026-01-31T12:00:00+00:00"
                    ),
                )
            ),
        ),
        **refusals(400, 401, 403, 503),
    },
)
async def list_new(
    services: UseServices,
    attributes: Attributes,
    texts: Texts,
    k: NumItems = 10,
) -> Response:
    """List the items whose first record is newest, without hidden ones."""
    filter_ = item_filter(attributes.filter)
    async with services.list_queue.turn():
        items = await run_in_threadpool(services.item_rankings.newest, filter_, k)
        shown = await with_attributes(items, attributes.shown, services.item_records)
        with_texts = await services.copy.item_lists.add(shown, ListedRow(kind="new"), texts)
    return json_response(NewAnswer(items=with_texts.items, row_title=with_texts.row_title))


def _of_release(services: GatewayServices, wanted: ItemFilter, k: int) -> PopularAnswer:
    """Return the live release's popular items, filtered by their newest records."""
    release = services.live.get()
    popular = release.manifest.popular if release else ()
    ids = [item.item_id for item in popular]
    hidden = services.histories.hidden_among(ids)
    known = services.item_records.find(ids) if wanted.wanted else {}
    found = []
    for item in popular:
        is_known = item.item_id in known
        matches = is_known and wanted.matches(known[item.item_id].record.attributes)
        if item.item_id not in hidden and (matches or not wanted.wanted):
            found.append(PopularItemAnswer(id=item.item_id, title=item.title))
    return PopularAnswer(items=tuple(found[:k]), model_version=release.version if release else None)
