"""The calls about pictures: what looks like one, where items' are, and their files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from gateway.bodies.item_lists import SimilarItem
from gateway.bodies.pictures import LookAlikesAnswer, PictureBody, PicturesAnswer
from gateway.bodies.refusal import Refusal
from gateway.content.record_bodies import parse_object
from gateway.errors import BadQuery
from gateway.http.access import UseCaller, UseServices
from gateway.http.problems import json_response
from gateway.http.quick_route import CHECKS
from gateway.items.pictures import MAX_ITEMS
from gateway.items.shown_attributes import with_attributes
from gateway.model.picture_question import parse_picture
from gateway.openapi import answer, object_body, refusals

MAX_BODY_BYTES = 5 * 1024 * 1024  # the largest picture in base64, and its question
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(prefix="/v1", tags=["items"])


@router.post(
    "/similar",
    dependencies=CHECKS,
    responses={
        **answer(
            200,
            "Items that look like the picture.",
            found=LookAlikesAnswer(
                items=(SimilarItem(id="lamp-7", title="Reading lamp", score=0.871204),),
                model_version=3,
            ),
        ),
        **refusals(400, 401, 403, 413, 415, 503),
    },
    openapi_extra=object_body(
        PictureBody, {"picture": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAf…", "k": 10}
    ),
)
async def find_look_alikes(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Find the items whose pictures look most like one that is sent, without hidden ones.

    The release must have pictures that are encoded; otherwise this is a 400.
    """
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        question = parse_picture(parse_object(content))
    if caller.is_browser:
        services.visitors.check_attributes(question.attributes, "attributes")
        services.visitors.check_attributes(question.filter, "filter")
    async with services.answer_queue.turn():
        found = await services.similar_items.look_alikes(question)
    if isinstance(found, Refusal):
        return json_response(found, status=400)
    items = [SimilarItem(id=one.id, title=one.title, score=one.score) for one in found.items]
    shown = await with_attributes(items, question.attributes, services.item_records)
    return json_response(LookAlikesAnswer(items=shown, model_version=found.model_version))


@router.get(
    "/pictures",
    dependencies=CHECKS,
    responses={
        **answer(
            200,
            "Where the thumbnails are.",
            found=PicturesAnswer(
                pictures={"50": f"/v1/pictures/{'5e' * 32}.jpg"},
                more={"50": (f"/v1/pictures/{'7a' * 32}.jpg",)},
            ),
        ),
        **refusals(400, 401, 403, 503),
    },
)
async def list_pictures(
    services: UseServices,
    item_id: Annotated[
        list[str] | None,
        Query(description=f"An item. Repeat it for several, at most {MAX_ITEMS}."),
    ] = None,
) -> Response:
    """Say where the thumbnails of items are, without hidden items.

    The paths need no key, and what is there never changes: a new picture has a new path.
    """
    item_ids = list(dict.fromkeys(item_id or []))
    if not 1 <= len(item_ids) <= MAX_ITEMS:
        raise BadQuery(
            "item_id", f"item_id: found {len(item_ids)} items, expected 1 to {MAX_ITEMS}"
        )
    async with services.list_queue.turn():
        main = await run_in_threadpool(services.pictures.paths, item_ids)
        more = await run_in_threadpool(services.pictures.more_paths, item_ids)
    return json_response(PicturesAnswer(pictures=main, more=more))


@router.get("/pictures/{sha256}.jpg", include_in_schema=False)
def get_picture(sha256: str, services: UseServices) -> FileResponse:
    """Return a thumbnail, which caches may keep forever."""
    file = services.pictures.file(sha256)
    if file is None:
        raise HTTPException(404)
    headers = {**_FOREVER, "X-Content-Type-Options": "nosniff"}
    return FileResponse(file, media_type="image/jpeg", headers=headers)
