"""The calls as `/openapi.json` describes them, generated from the types of `gateway.bodies`.

Examples are values of those types, so an example cannot have a field that an answer lacks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from starlette.routing import BaseRoute

from gateway.bodies.codec import codec_of, to_json
from gateway.bodies.copy import CopyBody
from gateway.bodies.copy_texts import CopyDecisionBody
from gateway.bodies.experiments import ExperimentBody, StopBody
from gateway.bodies.facts import FactBody
from gateway.bodies.foreign import Ga4Body, TrackBatch, TrackCall
from gateway.bodies.items import ItemChangeBody
from gateway.bodies.operate import PauseBody, PromoteBody, ResumeBody, RollbackBody, TrialBody
from gateway.bodies.personalizer import (
    MultiSlotRankRequest,
    MultiSlotRewardRequest,
    RankRequest,
    RewardRequest,
)
from gateway.bodies.pictures import PictureBody
from gateway.bodies.placements import PlacementBody
from gateway.bodies.predictions import PredictionBody
from gateway.bodies.propensities import PropensitiesBody
from gateway.bodies.recommendation_request import RecommendationBody
from gateway.bodies.records import EventBody, ItemBody
from gateway.bodies.refusal import Refusal, refusal
from gateway.callers.roles import CALLS
from gateway.content.record_bodies import NDJSON

Responses = dict[int | str, dict[str, object]]
Operation = dict[str, object]

TAGS: Sequence[Mapping[str, str]] = (
    {"name": "records", "description": "Send events, items and facts; forget users."},
    {"name": "other events", "description": "Send events of Segment, RudderStack and GA4."},
    {"name": "answers", "description": "Ask for recommendations and predicted ratings."},
    {"name": "items", "description": "Read, change and delete items."},
    {"name": "users", "description": "Read what a user did."},
    {"name": "texts", "description": "Read and decide on texts about items."},
    {"name": "placements", "description": "Read and change the rules of lists."},
    {"name": "experiments", "description": "Start, read and stop experiments on visitors."},
    {"name": "personalizer", "description": "Choose actions, as Azure's Personalizer did."},
    {"name": "operation", "description": "Status, metrics and probes."},
)
# of the calls that read their bodies themselves
_BODIES = (
    EventBody,
    ItemBody,
    FactBody,
    ItemChangeBody,
    PredictionBody,
    RecommendationBody,
    PropensitiesBody,
    CopyBody,
    CopyDecisionBody,
    PictureBody,
    PlacementBody,
    ExperimentBody,
    StopBody,
    RollbackBody,
    PromoteBody,
    PauseBody,
    ResumeBody,
    TrialBody,
    TrackCall,
    TrackBatch,
    Ga4Body,
    RankRequest,
    RewardRequest,
    MultiSlotRankRequest,
    MultiSlotRewardRequest,
)
_REF = "#/components/schemas/{model}"
_REFUSALS: Mapping[int, tuple[str, Refusal]] = {
    400: (
        "The request is wrong; `field` and `reason` say where and why.",
        refusal("k", "k: found '0', expected a whole number from 1 to 1,000"),
    ),
    401: (
        "There are keys, and the call has none or one that is not valid.",
        refusal(
            "authorization",
            "this gateway requires a key, the setting gateway.api_key or one made by `python -m "
            "cron keys add`; send Authorization: Bearer KEY",
        ),
    ),
    403: (
        "The key is not for this call or this page, or there are no keys and the call may come "
        "from another site's web page.",
        refusal(
            "host",
            "Host is 'shop.example', not a loopback name (127.0.0.1, localhost, [::1]), and "
            "without a key this gateway answers this machine alone; call http://127.0.0.1:8000, "
            "or set gateway.api_key (FRESHET__GATEWAY__API_KEY) and send it as Authorization: "
            "Bearer KEY",
        ),
    ),
    404: (
        "No record of the item has come, or it was deleted.",
        refusal("item_id", "item_id: found 'x', expected the id of an item that has a record"),
    ),
    409: (
        "The decision does not fit what is live. Nothing was done.",
        refusal(
            "version",
            "version 4 was live when this was decided, and version 3 is live now: nothing was "
            "done; look at the status and decide again",
        ),
    ),
    413: (
        "The body is too large. Nothing of it was stored.",
        refusal(
            "body",
            "the body holds 40,000,000 bytes or more, the limit is 32 MiB; send less in one call",
        ),
    ),
    415: (
        "The body has a Content-Encoding other than gzip.",
        refusal("body", "Content-Encoding is 'br', expected gzip or none"),
    ),
    429: (
        "The key, or the caller's address, sends too many calls. Nothing was done. Send the call "
        "again after the seconds in `Retry-After`.",
        refusal(
            "address", "the address 192.0.2.1 sends more than 50 calls a second; try again in 1 s"
        ),
    ),
    503: (
        "The gateway is overloaded, or a service that the call needs does not answer. Nothing "
        "was stored. Send the call again after the seconds in `Retry-After`.",
        refusal(
            "server",
            "the gateway is overloaded: this call would have waited longer than 1 s for its "
            "turn; try again in 1 s",
        ),
    ),
}


def answer(
    status: int,
    description: str,
    *,
    headers: Mapping[str, object] | None = None,
    others: Mapping[str, object] | None = None,
    **examples: object,
) -> Responses:
    """Return the description of an answer; its type is that of the examples.

    `others` are the contents of other media types.
    """
    values = {
        name: {"value": json.loads(json.dumps(to_json(example)))}
        for name, example in examples.items()
    }
    return {
        status: {
            "model": reduce(or_, dict.fromkeys(type(example) for example in examples.values())),
            "description": description,
            "content": {"application/json": {"examples": values}, **(others or {})},
            "headers": headers or {},
        }
    }


def refusals(*statuses: int) -> Responses:
    """Return the descriptions of the refusals with these statuses.

    429 is added to 401: calls that need a key are counted.
    """
    described: Responses = {}
    for status in sorted({*statuses, 429} if 401 in statuses else statuses):
        description, example = _REFUSALS[status]
        described |= answer(status, description, refusal=example)
    return described


def records_body(record_type: type[object], example: Mapping[str, object]) -> Operation:
    """Return the description of a body that holds records: one, a list, or NDJSON."""
    return _records_of(_json_records(record_type, example))


def items_body(
    record_type: type[object], example: Mapping[str, object], *, feeds: Mapping[str, str]
) -> Operation:
    """Return the description of a body of items: records, or a feed of one of the content types."""
    described = {
        media_type: {
            "schema": {"type": "string", "description": "A product feed."},
            "examples": {"feed": {"value": feed}},
        }
        for media_type, feed in feeds.items()
    }
    return _records_of({**_json_records(record_type, example), **described})


def _records_of(content: Mapping[str, object]) -> Operation:
    return {
        "requestBody": {
            "required": True,
            "description": "At most 32 MiB and 100,000 records, each of at most 256 KiB. "
            "`Content-Encoding: gzip` is accepted.",
            "content": content,
        }
    }


def _json_records(record_type: type[object], example: Mapping[str, object]) -> Operation:
    record = {"$ref": _REF.format(model=record_type.__name__)}
    return {
        "application/json": {
            "schema": {"oneOf": [record, {"type": "array", "items": record}]},
            "examples": {"one": {"value": example}, "list": {"value": [example]}},
        },
        NDJSON: _lines("One record on each line.", example),
    }


def track_body(call: Mapping[str, object]) -> Operation:
    """Return the description of a body of `track` calls: one, a batch, a list, or NDJSON."""
    one, batch = ({"$ref": _REF.format(model=name)} for name in ("TrackCall", "TrackBatch"))
    content = {
        "application/json": {
            "schema": {"anyOf": [batch, one, {"type": "array", "items": one}]},
            "examples": {"batch": {"value": {"batch": [call]}}, "one": {"value": call}},
        },
        NDJSON: _lines("One call on each line.", call),
    }
    return {"requestBody": {"required": True, "content": content}}


def object_body(body_type: type[object], example: Mapping[str, object]) -> Operation:
    """Return the description of a body that is one JSON object."""
    content = {"application/json": _object(body_type, example)}
    return {"requestBody": {"required": True, "content": content}}


def questions_body(body_type: type[object], example: Mapping[str, object]) -> Operation:
    """Return the description of a body that is one question, or NDJSON with one on each line."""
    content = {
        "application/json": _object(body_type, example),
        NDJSON: _lines("One question on each line.", example),
    }
    return {"requestBody": {"required": True, "content": content}}


def _object(body_type: type[object], example: Mapping[str, object]) -> Operation:
    schema = {"$ref": _REF.format(model=body_type.__name__)}
    return {"schema": schema, "examples": {"one": {"value": example}}}


def _lines(description: str, example: Mapping[str, object]) -> Operation:
    return {
        "schema": {"type": "string", "description": description},
        "examples": {"lines": {"value": f"{json.dumps(example)}\n"}},
    }


def describe_bodies(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make the application's OpenAPI complete.

    FastAPI does not know the bodies that the calls read themselves, and it announces a 422 where a
    wrong parameter is a 400.
    """
    plain = app.openapi

    def complete_document() -> dict[str, object]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(plain(), routes)
        return app.openapi_schema

    app.openapi = complete_document  # type: ignore[method-assign]


def _complete(document: dict[str, object], routes: Sequence[BaseRoute]) -> dict[str, object]:
    schemas = _child(_child(document, "components"), "schemas")
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= _body_schemas()
    paths = _child(document, "paths")
    for path in paths:
        for method in (operations := _child(paths, path)):
            operation = _child(operations, method)
            _child(operation, "responses").pop("422", None)
            if roles := CALLS.get(f"{method.upper()} {path}"):
                # OpenAPI 3.1 lets a key of any kind name the roles that it needs
                operation["security"] = [{"key": [role]} for role in sorted(roles)]
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = _child(_child(paths, route.path_format), method.lower())
                _restore_examples(_child(operation, "responses"), route.responses)
    return document


def _restore_examples(described: dict[str, object], responses: Responses) -> None:
    """Put the examples of answers back as they are: FastAPI drops their nulls."""
    for status, response in responses.items():
        contents = _child({"content": {}} | response, "content")
        for media_type in contents:
            content = _child(_child(_child(described, str(status)), "content"), media_type)
            content["examples"] = _child(contents, media_type)["examples"]


def _child(parent: dict[str, object], name: str) -> dict[str, object]:
    child = parent[name]
    assert isinstance(child, dict)
    return child


def _body_schemas() -> dict[str, object]:
    mode: JsonSchemaMode = "validation"
    _, schema = TypeAdapter.json_schemas(
        [(one, mode, codec_of(one)) for one in _BODIES],
        ref_template=_REF,
    )
    return dict(schema["$defs"])
