"""The body of `POST /v1/recommendations`, parsed strictly; every mistake names its field.

A field that is null counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from cron.placement import check_name
from gateway.bodies.recommendation_request import DEFAULT_K, MAX_LISTED, RecommendationBody
from gateway.bodies.recommendations import FilterValue
from gateway.content.languages import read_language
from gateway.items.shown_attributes import read_names
from gateway.model.recommendation_request import LEFT_TO_PLACEMENTS, RecommendationRequest
from recommender.requests.body import read_history, read_time
from recommender.requests.body_fields import (
    describe,
    expect_known_fields,
    read_count,
    read_filter,
    read_flag,
    read_id,
    read_ids,
)
from recommender.requests.wire import BadRequest

_FIELDS = {field.name for field in fields(RecommendationBody)}


def parse_recommendation(body: Mapping[str, object]) -> RecommendationRequest:
    """Parse one JSON object; raise BadRequest."""
    expect_known_fields(body, _FIELDS)
    given = {name: value for name, value in body.items() if value is not None}
    if "user_id" not in given and "history" not in given:
        raise BadRequest(
            "user_id",
            found="nothing",
            expected="user_id, history or both; an empty history is a visitor without one",
        )
    candidates = None
    if "candidates" in given:
        candidates = read_ids(given["candidates"], "candidates", limit=MAX_LISTED)
    user_id = read_id(given["user_id"], "user_id") if "user_id" in given else None
    session_id = read_id(given["session_id"], "session_id") if "session_id" in given else None
    return RecommendationRequest(
        user_id=user_id,
        session_id=session_id if user_id is None else None,
        history=tuple(read_history(given.get("history", []), "history", limit=MAX_LISTED)),
        k=read_count(given.get("k", DEFAULT_K)),
        filter=filter_of_body(given.get("filter", {})),
        exclude=read_ids(given.get("exclude", []), "exclude", limit=MAX_LISTED),
        exclude_seen=read_flag(given, "exclude_seen", default=True),
        candidates=candidates,
        context=_context(given["context"]) if "context" in given else None,
        at=read_time(given["at"], "at") if "at" in given else None,
        attributes=read_names(given.get("attributes", [])),
        explain=read_flag(given, "explain", default=False),
        copy=read_flag(given, "copy", default=False),
        language=read_language(given["language"]) if "language" in given else None,
        placement=check_name(given["placement"], "placement") if "placement" in given else None,
        left_out=LEFT_TO_PLACEMENTS - given.keys(),
    )


def filter_of_body(raw: object) -> dict[str, FilterValue]:
    """Return the filter of a body; raise BadRequest."""
    wanted: dict[str, FilterValue] = {}
    for name, value in read_filter(raw).items():
        wanted[name] = list(value) if isinstance(value, tuple) else value
    return wanted


def _context(raw: object) -> str:
    if not isinstance(raw, dict):
        raise BadRequest("context", found=describe(raw), expected='an object with "item_id"')
    expect_known_fields(raw, {"item_id"}, where="context")
    if "item_id" not in raw:
        raise BadRequest("context.item_id", found="nothing", expected="the id of an item")
    return read_id(raw["item_id"], "context.item_id")
