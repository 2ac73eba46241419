"""The calls that read and change items, and list what is new."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cron.known_item import KnownItem
from cron.ports import ItemRecords
from gateway.bodies.facts import ItemFact
from gateway.bodies.item_lists import SimilarAnswer, SimilarItem
from gateway.bodies.items import DeletedItem, ItemAnswer, ItemChangeBody, ItemsPage
from gateway.bodies.refusal import Refusal
from gateway.callers.keyring import Caller
from gateway.callers.roles import CALLS
from gateway.content.record_bodies import parse_object
from gateway.copy.item_lists import ListedRow
from gateway.errors import BadQuery, UnknownItem
from gateway.http.access import UseServices, WrongRole, caller_of, require_key, services_of
from gateway.http.attributes import Attributes
from gateway.http.problems import json_response
from gateway.http.query import FilterTexts, PageCursor, refuse_unknown_parameters
from gateway.http.texts import Texts
from gateway.http.user_paths import ITEM_ID
from gateway.items.fact_filter import matching_ids
from gateway.items.matching import ItemFilter, item_filter
from gateway.items.pages import cursor_after_id, read_id
from gateway.items.shown_attributes import attributes_json, name_of, with_attributes
from gateway.items.shown_facts import facts_of
from gateway.model.recommendations import parse_filter
from gateway.model.similar_items import SimilarRequestOfShop
from gateway.openapi import answer, object_body, refusals
from recommender.records.events import MAX_RECORD_BYTES
from recommender.records.excerpt import excerpt
from recommender.requests.wire import SIMILARITIES, is_similarity

MAX_LIMIT = 1_000
MAX_EXAMINED = 20_000  # records of one call that a filter looks at
READ_AT_ONCE = 1_000

router = APIRouter(
    prefix="/v1",
    tags=["items"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

ItemIdInPath = Annotated[
    str, Path(description="The item. Slashes, percent signs and `?` are sent percent-encoded.")
]
EXAMPLE = ItemAnswer(
    item_id="new-1",
    title="The River (2026)",
    text="A river floods a valley.",
    attributes={"genre": ("Drama",), "year": 2026},
    images=("https://shop.example/river.jpg",),
    hidden=False,
    at="2026-01-31T12:00:00+00:00",
    first_at="2026-01-31T12:00:00+00:00",
)

EXAMPLE_FACTS = (ItemFact(relation="director", tail="m.0184dt", name="Ann Lee"),)


@router.get(
    "/items",
    responses={
        **answer(200, "A page of items.", page=ItemsPage(items=(EXAMPLE,), next_cursor="WyI1MCJd")),
        **refusals(400, 401, 403, 503),
    },
)
def list_items(
    services: UseServices,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items.")] = 100,
    cursor: PageCursor = None,
    wanted: FilterTexts = None,
) -> Response:
    """List the items that have a record, in order of id, hidden ones too.

    A page with a filter looks at 20,000 items at most, so it may have fewer than `limit`, or none,
    and still have a `next_cursor`.
    """
    filter_ = item_filter(parse_filter(wanted or []))
    page = _page(services.item_records, filter_, after=read_id(cursor), limit=limit)
    return json_response(page)


@router.get(
    f"/items/{ITEM_ID}/similar",
    responses={
        **answer(
            200,
            "Similar items.",
            similar=SimilarAnswer(
                item_id="50",
                title="Star Wars (1977)",
                model_version=3,
                items=(SimilarItem(id="181", title="Return of the Jedi (1983)", score=0.922643),),
            ),
        ),
        **refusals(400, 401, 403, 404, 503),
    },
)
async def list_similar(
    item_id: ItemIdInPath,
    request: Request,
    attributes: Attributes,
    texts: Texts,
    k: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items.")] = 10,
    by: Annotated[
        str,
        Query(
            description="`taste`: liked by the same users. `text`: of similar texts. `both`: the "
            "mean of the two. `picture`: of similar pictures. `facts`: sharing facts.",
            json_schema_extra={"enum": ["taste", "text", "both", "picture", "facts"]},
        ),
    ] = "taste",
) -> Response:
    """List the items most similar to one, without hidden ones.

    An item that is newer than the live release is compared by its text, or by its picture.
    """
    services = await services_of(request)
    if not request.scope["raw_path"].endswith(b"/similar"):
        _check_may_read(await caller_of(request))
        return get_item(f"{item_id}/similar", services)  # the slash is part of the id
    if not is_similarity(by):
        raise BadQuery("by", f"by: found {excerpt(by)}, expected {SIMILARITIES}")
    question = SimilarRequestOfShop(item_id=item_id, k=k, by=by, filter=attributes.filter)
    async with services.answer_queue.turn():
        found = await services.similar_items.answer(question, services.pictures.thumbnail)
    if isinstance(found, Refusal):
        return json_response(found, status=400)
    items = [SimilarItem(id=one.id, title=one.title, score=one.score) for one in found.items]
    shown = await with_attributes(items, attributes.shown, services.item_records)
    name = await name_of(item_id, attributes.shown, services.item_records)
    row = ListedRow(kind="similar", item_id=item_id)
    with_texts = await services.copy.item_lists.add(shown, row, texts)
    return json_response(
        SimilarAnswer(
            item_id=item_id,
            title=name.title,
            attributes=name.attributes,
            model_version=found.model_version,
            items=with_texts.items,
            row_title=with_texts.row_title,
        )
    )


@router.get(
    f"/items/{ITEM_ID}",
    responses={
        **answer(200, "The item.", item=replace(EXAMPLE, facts=EXAMPLE_FACTS)),
        **refusals(400, 401, 403, 404, 503),
    },
)
def get_item(item_id: ItemIdInPath, services: UseServices) -> Response:
    """Return an item as its newest record describes it.

    A deleted item, and one that is known from events alone, is a 404.
    """
    known = services.item_records.find([item_id]).get(item_id)
    if known is None:
        raise UnknownItem(item_id)
    facts = facts_of(item_id, services.item_records)
    pictures = services.pictures.all_paths(item_id) or None
    return json_response(replace(item_answer(known), facts=facts, pictures=pictures))


@router.patch(
    f"/items/{ITEM_ID}",
    responses={
        **answer(200, "The item after the change, which is durable.", item=EXAMPLE),
        **refusals(400, 401, 403, 404, 413, 415, 503),
    },
    openapi_extra=object_body(ItemChangeBody, {"attributes": {"price": 9.5, "genre": None}}),
)
async def patch_item(item_id: ItemIdInPath, request: Request, services: UseServices) -> Response:
    """Change some fields of an item, by a JSON merge patch (RFC 7396).

    Fields that are not named stay as they are. The change is stored as a whole new record.
    """
    async with (
        services.bodies.read(request, limit=MAX_RECORD_BYTES) as content,
        services.record_queue.turn(),
    ):
        change = parse_object(content)
        known = await run_in_threadpool(services.item_changes.merge, item_id, change)
    return json_response(item_answer(known))


@router.delete(
    f"/items/{ITEM_ID}",
    responses={
        **answer(
            200,
            "The item is gone from all lists, durably.",
            deleted=DeletedItem(item_id="new-1", at="2026-01-31T12:00:00+00:00"),
        ),
        **refusals(400, 401, 403, 404, 503),
    },
)
async def delete_item(item_id: ItemIdInPath, services: UseServices) -> Response:
    """Delete an item: it leaves every list at once and can't be read any longer.

    It stays deleted, until a record of a later time brings it back.
    """
    async with services.record_queue.turn():
        record = await run_in_threadpool(services.item_changes.delete, item_id)
    return json_response(DeletedItem(item_id=item_id, at=record.at.isoformat()))


def _check_may_read(caller: Caller) -> None:
    """Raise WrongRole for a key that may list similar items and not read an item."""
    call = "GET /v1/items/{item_id}"
    if not CALLS[call] & caller.roles:
        raise WrongRole(caller, call, needed=CALLS[call])


def item_answer(known: KnownItem) -> ItemAnswer:
    """Return an item as answers show it."""
    record = known.record
    return ItemAnswer(
        item_id=record.item_id,
        title=record.title,
        text=record.text,
        attributes=attributes_json(record.attributes),
        images=record.images,
        hidden=record.hidden,
        at=record.at.isoformat(),
        first_at=known.first_at.isoformat(),
    )


def _page(records: ItemRecords, filter_: ItemFilter, *, after: str, limit: int) -> ItemsPage:
    found: list[KnownItem] = []
    num_examined = 0
    while True:
        at_once = READ_AT_ONCE if filter_.wanted else limit
        items = records.by_id(after=after, limit=at_once)
        matching = matching_ids(filter_, items, records)
        for item in items:
            after = item.record.item_id
            num_examined += 1
            if after in matching:
                found.append(item)
            if len(found) == limit:
                break
        is_last = len(found) < limit and len(items) < at_once
        if is_last or len(found) == limit or num_examined >= MAX_EXAMINED:
            break
    return ItemsPage(
        items=tuple(map(item_answer, found)),
        next_cursor=None if is_last else cursor_after_id(after),
    )
