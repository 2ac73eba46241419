"""The Python client and `/openapi.json` have the same calls, parameters and fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args, get_type_hints

import pytest

from cron.settings.tree import Settings
from freshet_client import AsyncFreshet, Event, Fact, Freshet, Item, answers, calls
from freshet_client.copy_texts import CopyText, CopyTextList, DecidedCopy
from freshet_client.decoding import decode
from freshet_client.questions import (
    CopyDecision,
    CopyQuestion,
    HistoryElement,
    ItemChange,
    PageContext,
    PictureQuestion,
    Question,
)
from freshet_client.status import Status
from gateway.app import create_app
from gateway.content.record_bodies import NDJSON

Schema = Mapping[str, object]
Kind = type[object]
FILTER = {"genre": "Drama"}
NAMES = ["genre", "price"]
QUESTION: Question = {
    "user_id": "ann",
    "k": 3,
    "exclude_seen": False,
    "placement": "home",
    "copy": True,
    "language": "zh",
}
(MANY,) = calls.recommend_many([QUESTION])
(ITEMS,) = calls.send_items([Item("5", "Five")])
(FACTS,) = calls.send_facts([Fact("5", "director", "ann")])
(EVENTS,) = calls.send_events([Event("ann", "5", "view")])


@dataclass(frozen=True, kw_only=True)
class Documented:
    """A method of the client, a call that it makes with all its parameters, and its types."""

    method: str
    operation: str
    call: calls.Call[object]
    answer: Kind
    body: Kind | None = None


def describe_call(
    method: str,
    operation: str,
    call: calls.Call[object],
    *,
    answer: Kind,
    body: Kind | None = None,
) -> Documented:
    """Return a call that the client makes with all its parameters."""
    return Documented(method=method, operation=operation, call=call, answer=answer, body=body)


CALLS = (
    describe_call(
        "recommend",
        "GET /v1/recommendations/{user_id}",
        calls.recommend(QUESTION),
        answer=answers.Recommendations,
    ),
    describe_call(
        "recommend",
        "POST /v1/recommendations",
        calls.recommend({"history": []}),
        answer=answers.Recommendations,
        body=Question,
    ),
    describe_call(
        "recommend_many",
        "POST /v1/recommendations",
        MANY,
        answer=answers.Recommendations,
        body=Question,
    ),
    describe_call(
        "write_copy",
        "POST /v1/copy",
        calls.write_copy({"item_ids": ["5"], "kind": "item_blurb"}),
        answer=answers.WrittenCopy,
        body=CopyQuestion,
    ),
    describe_call(
        "copy_texts",
        "GET /v1/copy/texts",
        calls.copy_texts("edited", 3),
        answer=CopyTextList,
    ),
    describe_call(
        "copy_text",
        "GET /v1/copy/texts/{digest}",
        calls.copy_text("5d1f"),
        answer=CopyText,
    ),
    describe_call(
        "decide_copy",
        "PUT /v1/copy/texts/{digest}",
        calls.decide_copy("5d1f", {"action": "ban"}),
        answer=DecidedCopy,
        body=CopyDecision,
    ),
    describe_call(
        "undo_copy",
        "DELETE /v1/copy/texts/{digest}",
        calls.undo_copy("5d1f"),
        answer=DecidedCopy,
    ),
    describe_call(
        "search",
        "GET /v1/search",
        calls.search("river", "ann", 3, FILTER, NAMES, "zh"),
        answer=answers.FoundItems,
    ),
    describe_call(
        "similar",
        "GET /v1/items/{item_id}/similar",
        calls.similar("5", "text", 3, FILTER, NAMES, "zh"),
        answer=answers.SimilarItems,
    ),
    describe_call(
        "similar_to_picture",
        "POST /v1/similar",
        calls.similar_to_picture(b"GIF8", 3, FILTER, NAMES),
        answer=answers.LookAlikes,
        body=PictureQuestion,
    ),
    describe_call(
        "pictures",
        "GET /v1/pictures",
        calls.pictures(["5", 6]),
        answer=answers.Pictures,
    ),
    describe_call(
        "popular",
        "GET /v1/popular",
        calls.popular("7d", 3, FILTER, NAMES, "zh"),
        answer=answers.PopularItems,
    ),
    describe_call(
        "trending",
        "GET /v1/trending",
        calls.trending("1d", 3, FILTER, NAMES, "zh"),
        answer=answers.TrendingItems,
    ),
    describe_call("new", "GET /v1/new", calls.new(3, FILTER, NAMES, "zh"), answer=answers.NewItems),
    describe_call("item", "GET /v1/items/{item_id}", calls.item("5"), answer=answers.StoredItem),
    describe_call("items", "GET /v1/items", calls.items(FILTER, 3, "c"), answer=answers.ItemsPage),
    describe_call(
        "change_item",
        "PATCH /v1/items/{item_id}",
        calls.change_item("5", {"title": "Five"}),
        answer=answers.StoredItem,
        body=ItemChange,
    ),
    describe_call(
        "delete_item",
        "DELETE /v1/items/{item_id}",
        calls.delete_item("5"),
        answer=answers.DeletedItem,
    ),
    describe_call(
        "send_items",
        "POST /v1/items",
        ITEMS,
        answer=answers.Stored,
        body=Item,
    ),
    describe_call(
        "send_facts",
        "POST /v1/facts",
        FACTS,
        answer=answers.Stored,
        body=Fact,
    ),
    describe_call(
        "withdraw_fact",
        "DELETE /v1/facts",
        calls.withdraw_fact("5", "director", "ann"),
        answer=answers.WithdrawnFact,
    ),
    describe_call(
        "send_events",
        "POST /v1/events",
        EVENTS,
        answer=answers.Stored,
        body=Event,
    ),
    describe_call(
        "history",
        "GET /v1/users/{user_id}/history",
        calls.history("ann", 3, "c"),
        answer=answers.HistoryPage,
    ),
    describe_call(
        "forget_user",
        "DELETE /v1/users/{user_id}",
        calls.forget_user("ann"),
        answer=answers.ForgottenUser,
    ),
    describe_call("status", "GET /v1/status", calls.status(), answer=Status),
)
# what the client leaves out on purpose
LEFT_OUT = {
    "POST /v1/events/segment": "Segment and RudderStack send these themselves",
    "POST /v1/events/ga4": "Google Analytics sends these itself",
    "POST /v1/track": "libraries of Segment and RudderStack send to it themselves",
    "POST /v1/batch": "libraries of Segment and RudderStack send to it themselves",
    "POST /predict": "a rating for a history in free text; recommend returns ratings too",
    "POST /v1/propensities": "evaluations ask it, with the command line",
    "POST /v1/operate/rollback": "people operate, with the page or the command line",
    "POST /v1/operate/promote": "people operate, with the page or the command line",
    "POST /v1/operate/pause": "people operate, with the page or the command line",
    "POST /v1/operate/resume": "people operate, with the page or the command line",
    "POST /v1/operate/trial": "people operate, with the page or the command line",
    "GET /v1/release": "status says more",
    "GET /v1/placements": "people change rules, in the settings or with a request",
    "GET /v1/placements/{name}": "people change rules, in the settings or with a request",
    "PUT /v1/placements/{name}": "people change rules, in the settings or with a request",
    "DELETE /v1/placements/{name}": "people change rules, in the settings or with a request",
    "GET /v1/placements/{name}/changes": "people change rules, in the settings or with a request",
    "GET /v1/experiments": "people start and read experiments, with the page or the command line",
    "GET /v1/experiments/{name}": "people start and read experiments",
    "PUT /v1/experiments/{name}": "people start and read experiments",
    "POST /v1/experiments/{name}/stop": "people start and read experiments",
    **dict.fromkeys(
        (
            "POST /personalizer/{api_version}/rank",
            "POST /personalizer/{api_version}/events/{event_id}/reward",
            "POST /personalizer/{api_version}/events/{event_id}/activate",
            "POST /personalizer/{api_version}/multislot/rank",
            "POST /personalizer/{api_version}/multislot/events/{event_id}/reward",
            "POST /personalizer/{api_version}/multislot/events/{event_id}/activate",
        ),
        "clients of Azure's Personalizer make these",
    ),
    "GET /v1/personalizer": "people decide by it",
    "GET /metrics": "Prometheus reads it",
    "GET /healthz": "the probe of an orchestrator",
    "GET /readyz": "the probe of an orchestrator",
}
PARAMETERS_LEFT_OUT = {
    ("GET /v1/recommendations/{user_id}", "filter"): "a question with a filter is a POST",
    ("GET /v1/recommendations/{user_id}", "attributes"): "a question with attributes is a POST",
    ("POST /v1/events", "key"): "for sendBeacon, which sends no header",
}
FIELDS_LEFT_OUT = {
    (answers.Stored, "event_ids"): "every record has an id before it is sent",
    (answers.Stored, "more_rejected"): "a call has at most 1,000 records, and all are listed",
}


@pytest.fixture(scope="module")
def document() -> Schema:
    return create_app(Settings()).openapi()


def test_every_call_is_in_the_client_or_left_out(document: Schema) -> None:
    offered = {
        f"{method.upper()} {path}"
        for path, methods in child(document, "paths").items()
        for method in child(methods)
    }
    assert {one.operation for one in CALLS} | LEFT_OUT.keys() == offered
    assert not {one.operation for one in CALLS} & LEFT_OUT.keys()


@pytest.mark.parametrize("client", [Freshet, AsyncFreshet])
def test_both_clients_have_these_methods_and_no_other(client: type) -> None:
    methods = {name for name in vars(client) if not name.startswith("_")}
    assert methods == {one.method for one in CALLS} | {"event_queue", "close"}


@pytest.mark.parametrize("one", CALLS, ids=lambda one: f"{one.method} {one.operation}")
def test_a_call_is_as_openapi_describes_it(one: Documented, document: Schema) -> None:
    method, template = one.operation.split()
    operation = child(document, "paths", template, method.lower())
    path = (
        template.replace("{item_id}", "5").replace("{user_id}", "ann").replace("{digest}", "5d1f")
    )
    assert (one.call.method, one.call.path) == (method, path)
    queries = {
        str(parameter["name"])
        for parameter in elements(operation.get("parameters", []))
        if parameter["in"] == "query"
    }
    left_out = {name for at, name in PARAMETERS_LEFT_OUT if at == one.operation}
    assert set(one.call.params) | left_out == queries
    assert not set(one.call.params) & left_out
    assert (one.body is not None) == ("requestBody" in operation)
    if one.body is not None:
        bodies = child(operation, "requestBody", "content")
        assert one.call.headers["Content-Type"] in bodies
        compare(one.body, child(bodies, "application/json", "schema"), document)
    success = next(status for status in child(operation, "responses") if status.startswith("2"))
    found = child(operation, "responses", success, "content", "application/json")
    compare(one.answer, child(found, "schema"), document)
    for example in child(found, "examples").values():
        assert isinstance(decode(one.answer, child(example)["value"]), one.answer)


def test_many_questions_and_records_are_sent_as_lines() -> None:
    lines = [one.call for one in CALLS if one.method in ("recommend_many", "send_events")]
    assert {call.headers["Content-Type"] for call in lines} == {NDJSON}


def test_a_field_that_differs_would_be_found(document: Schema) -> None:
    schema = {"type": "object", "properties": {"id": {}, "title": {}, "score": {}, "more": {}}}
    with pytest.raises(AssertionError, match="more"):
        compare(answers.SimilarItem, schema, document)


def compare(kind: Kind, schema: Schema, document: Schema) -> None:
    """Assert that a type and a schema have the same fields, and so on inside them."""
    properties: dict[str, list[object]] = {}
    for name, value in fields_of(schema, document):
        properties.setdefault(name, []).append(value)
    left_out = {name for owner, name in FIELDS_LEFT_OUT if owner is kind}
    names = set(get_type_hints(kind))
    assert names | left_out == set(properties), f"{kind.__name__}: {names ^ set(properties)}"
    for name, hint in get_type_hints(kind).items():
        for inner in records_in(hint):
            compare(inner, {"anyOf": properties[name]}, document)


def records_in(hint: object) -> Iterator[Kind]:
    """Yield the dataclasses and typed dictionaries that a type names."""
    if isinstance(hint, type) and (
        dataclasses.is_dataclass(hint) or hint in (Question, HistoryElement, PageContext)
    ):
        yield hint
    for inner in get_args(hint):
        yield from records_in(inner)


def fields_of(schema: object, document: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the fields of the objects that a schema allows, those of lists' elements too."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(reference := schema.get("$ref"), str):
        yield from fields_of(child(document, *reference.removeprefix("#/").split("/")), document)
    for name, value in child(schema, "properties").items() if "properties" in schema else ():
        yield name, child(value)
    parts = [schema.get("items"), *elements(schema.get("anyOf", []))]
    for part in (*parts, *elements(schema.get("oneOf", []))):
        yield from fields_of(part, document)


def child(parent: object, *names: str) -> dict[str, object]:
    for name in names:
        assert isinstance(parent, Mapping)
        parent = parent[name]
    assert isinstance(parent, Mapping)
    return dict(parent)


def elements(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value
