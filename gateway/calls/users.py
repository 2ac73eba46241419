"""The call that reads a user's history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from gateway.bodies.items import HistoryEvent, HistoryPage
from gateway.http.access import UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import PageCursor, refuse_unknown_parameters
from gateway.http.user_paths import USER_ID, check_length
from gateway.items.pages import cursor_before, read_time_and_id
from gateway.model.recommendations import NUM_SEEN
from gateway.openapi import answer, refusals

router = APIRouter(
    prefix="/v1",
    tags=["users"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

_EVENT = HistoryEvent(
    event_id="order-7312",
    item_id="50",
    title="Star Wars (1977)",
    type="rating",
    rating=5.0,
    at="2026-01-31T12:00:00+00:00",
)


@router.get(
    f"/users/{USER_ID}/history",
    responses={
        **answer(
            200,
            "A page of the user's events.",
            page=HistoryPage(user_id="ann", events=(_EVENT,), next_cursor="WzE3MCwiZSJd"),
        ),
        **refusals(400, 401, 403, 503),
    },
)
def get_history(
    user_id: Annotated[str, Path(description="The user. An unknown one has no events.")],
    services: UseServices,
    limit: Annotated[int, Query(ge=1, le=NUM_SEEN, description="How many events.")] = 100,
    cursor: PageCursor = None,
) -> Response:
    """Return the newest 1,000 events of a user, the newest first; impressions are left out."""
    check_length(user_id)
    before = read_time_and_id(cursor)
    events = [
        event
        for event in reversed(services.histories.recent(user_id, NUM_SEEN))
        if before is None or (event.at, event.event_id) < before
    ]
    page = events[:limit]
    known = services.item_records.find([event.item_id for event in page])
    titles = {item_id: item.record.title for item_id, item in known.items()}
    is_last = len(page) == len(events)
    return json_response(
        HistoryPage(
            user_id=user_id,
            events=tuple(
                HistoryEvent(
                    event_id=event.event_id,
                    item_id=event.item_id,
                    title=titles.get(event.item_id),
                    type=event.type,
                    rating=event.rating,
                    at=event.at.isoformat(),
                )
                for event in page
            ),
            next_cursor=None if is_last else cursor_before(page[-1].at, page[-1].event_id),
        )
    )
