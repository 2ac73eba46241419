"""The call that searches the catalogue: `GET /v1/search`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.bodies.refusal import Refusal
from gateway.bodies.search import FoundItem, SearchAnswer
from gateway.copy.item_lists import ListedRow
from gateway.http.access import UseServices, require_key
from gateway.http.attributes import Attributes
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.http.texts import Texts
from gateway.http.user_paths import check_length
from gateway.items.shown_attributes import with_attributes
from gateway.model.search import SearchRequestOfShop, check_text
from gateway.openapi import answer, refusals
from recommender.requests.wire import MAX_K, MAX_SEARCH_CHARS

router = APIRouter(
    prefix="/v1",
    tags=["answers"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)


@router.get(
    "/search",
    responses={
        **answer(
            200,
            "Found items.",
            found=SearchAnswer(
                user_id=None,
                model_version=3,
                items=(
                    FoundItem(
                        rank=1, id="50", title="Star Wars (1977)", score=0.1125, match="title"
                    ),
                ),
            ),
        ),
        **refusals(400, 401, 403, 503),
    },
)
async def search(
    services: UseServices,
    attributes: Attributes,
    texts: Texts,
    q: Annotated[
        str,
        Query(
            description="Words of a title, or what the items are about. The last word may be "
            "unfinished.",
            examples=["star wa"],
            json_schema_extra={"minLength": 1, "maxLength": MAX_SEARCH_CHARS},
        ),
    ],
    user_id: Annotated[
        str | None,
        Query(
            description="The user who searches: what they like comes a little earlier. An unknown "
            "one is a cold user."
        ),
    ] = None,
    k: Annotated[int, Query(ge=1, le=MAX_K, description="How many items.")] = 10,
) -> Response:
    """Find items by the words of their titles and by what their texts mean, without hidden ones.

    An item can be found from the first release on that was trained with it.
    """
    check_text(q)
    if user_id is not None:
        check_length(user_id)
    asked = SearchRequestOfShop(text=q, user_id=user_id, k=k, filter=attributes.filter)
    began = time.perf_counter()
    async with services.answer_queue.turn():
        found = await services.search.answer(asked)
    if isinstance(found, Refusal):
        return json_response(found, status=400)
    services.metrics.answers.add("search", found.model_version, time.perf_counter() - began)
    shown = await with_attributes(found.items, attributes.shown, services.item_records)
    with_texts = await services.copy.item_lists.add(shown, ListedRow(kind="found"), texts)
    return json_response(replace(found, items=with_texts.items, row_title=with_texts.row_title))
