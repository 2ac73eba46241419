"""`/openapi.json` describes every call, and real answers match their descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cron.settings.tree import Settings
from gateway.app import create_app
from recommender.records.events import parse_event, parse_item
from recommender.records.facts import parse_fact
from recommender.records.record_fields import InvalidRecord
from tests.component.gateway_process import RunningGateway, settings_in
from tests.component.gateway_process import gateway as serve

Schema = dict[str, object]
VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}
QUESTION = {"user_seq": ["Toy Story (1995)"], "item_desc": "GoldenEye (1995)"}
JSON = "application/json"
NOW = datetime(2027, 1, 1, tzinfo=UTC)


@cache
def document() -> Schema:
    return create_app(Settings()).openapi()


def child(parent: object, *names: str) -> Schema:
    for name in names:
        assert isinstance(parent, dict)
        parent = parent[name]
    assert isinstance(parent, dict)
    return parent


def operations() -> Iterator[tuple[str, Schema]]:
    for path, methods in child(document(), "paths").items():
        for method, operation in child(methods).items():
            yield f"{method.upper()} {path}", child(operation)


def contents() -> Iterator[tuple[str, Schema]]:
    """Yield every body and every answer of every call, with a name."""
    for name, operation in operations():
        if "requestBody" in operation:
            for media_type, content in child(operation, "requestBody", "content").items():
                yield f"{name} body {media_type}", child(content)
        for status, answer in child(operation, "responses").items():
            for media_type, content in child({"content": {}} | child(answer), "content").items():
                yield f"{name} {status} {media_type}", child(content)


def strict(value: object) -> object:
    """Return a schema whose objects take no other fields than those that it names."""
    if isinstance(value, list):
        return [strict(one) for one in value]
    if not isinstance(value, dict):
        return value
    closed = {name: strict(one) for name, one in value.items()}
    if "properties" in closed and closed.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


@cache
def strict_components() -> object:
    return strict(document()["components"])


def errors(schema: object, value: object, components: object = None) -> list[str]:
    """Return how a value differs from a schema of the document, with its strict components."""
    components = strict_components() if components is None else components
    validator = Draft202012Validator({"allOf": [schema], "components": components})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def test_the_document_is_openapi_3_1_and_has_every_call() -> None:
    assert str(document()["openapi"]).startswith("3.1")
    assert len(list(operations())) == 56


def test_every_call_has_a_description_and_typed_answers() -> None:
    for name, operation in operations():
        assert operation["description"], name
        assert operation["summary"], name
        for parameter in operation.get("parameters", []):  # type: ignore[attr-defined]
            assert parameter["description"] or parameter["name"] == "user_id", name
        answers = child(operation, "responses")
        assert "422" not in answers, name
        assert ("400" in answers) == ("security" in operation), name
        for status, answer in answers.items():
            assert child(answer)["description"], (name, status)
            assert ("content" in child(answer)) == (status != "204"), (name, status)


def test_every_body_and_answer_has_a_schema_and_a_valid_example() -> None:
    for name, content in contents():
        assert content["schema"], name
        examples = child(content, "examples")
        assert examples, name
        for example in examples.values():
            assert not errors(content["schema"], child(example)["value"]), name


def test_every_field_has_a_description() -> None:
    schemas = child(document(), "components", "schemas")
    for name, schema in schemas.items():
        assert child(schema)["description"], name
        for field, described in child(schema, "properties").items():
            assert child(described)["description"], f"{name}.{field}"


@pytest.mark.parametrize(
    ("name", "parse"),
    [("EventBody", parse_event), ("ItemBody", parse_item), ("FactBody", parse_fact)],
    ids=["event", "item", "fact"],
)
def test_record_bodies_have_the_fields_that_are_parsed(name: str, parse: object) -> None:
    assert callable(parse)
    with pytest.raises(InvalidRecord) as refusal:
        parse({"ratng": 1}, now=NOW, new_id=lambda: "id")
    described = child(document(), "components", "schemas", name, "properties")
    assert refusal.value.reason.endswith(f"expected one of {', '.join(sorted(described))}")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"user_id": 7},
        {"rating": None, "at": 1_700_000_000},
        {"event_id": "e", "at": "2026-01-31"},
        {"user_id": ""},
        {"user_id": 1.5},
        {"item_id": "x" * 600},
        {"type": ""},
        {"rating": "five"},
        {"rating": 2_000_000},
        {"ratng": 3},
        {"hidden": True},
        {"value": 59.8, "currency": "EUR", "quantity": 2, "dwell_s": 0, "query": "x"},
        {"value": None, "currency": None, "recommendation_id": 7},
        {"value": -1},
        {"currency": "eur"},
        {"quantity": 0},
        {"dwell_s": 90_000},
        {"query": ""},
        {"recommendation_id": ""},
    ],
    ids=str,
)
def test_the_event_schema_accepts_what_the_parser_accepts(change: Mapping[str, object]) -> None:
    body = {**VIEW, **change}
    try:
        parse_event(body, now=NOW, new_id=lambda: "id")
        is_accepted = True
    except InvalidRecord:
        is_accepted = False
    assert (not errors({"$ref": "#/components/schemas/EventBody"}, body)) == is_accepted


def calls(client: httpx.Client) -> Iterator[tuple[str, httpx.Response]]:
    """Make every call, with good and with wrong requests."""
    yield "POST /v1/events", client.post("/v1/events", json=[VIEW, {**VIEW, "rating": "five"}])
    yield "POST /v1/events", client.post("/v1/events", json=[{}])
    yield "POST /v1/events", client.post("/v1/events", content=b"")
    yield "POST /v1/events", client.post("/v1/events", content=b" " * (32 * 2**20 + 1))
    call = {"event": "Product Viewed", "userId": "ann", "properties": {"product_id": "5"}}
    sent: Sequence[object] = ({"batch": [call, {"type": "page"}]}, {**call, "properties": {}}, [])
    for tracked in sent:
        yield "POST /v1/events/segment", client.post("/v1/events/segment", json=tracked)
    for items in ([{"item_id": "5"}], list[object]()):
        ga4 = {"client_id": "c", "events": [{"name": "view_item", "params": {"items": items}}]}
        yield "POST /v1/events/ga4", client.post("/v1/events/ga4?api_secret=s", json=ga4)
    item = {"item_id": "new-1", "title": "The River (2026)"}
    yield "POST /v1/items", client.post("/v1/items", json=item)
    yield "POST /v1/items", client.post("/v1/items", json=item, headers={"Content-Encoding": "br"})
    told = {"head": "new-1", "relation": "director", "tail": "Ann Lee"}
    yield "POST /v1/facts", client.post("/v1/facts", json=[told, {**told, "tail": ""}])
    yield "GET /v1/items/{item_id}", client.get("/v1/items/new-1")
    yield "DELETE /v1/facts", client.delete("/v1/facts", params=told)
    yield "DELETE /v1/facts", client.delete("/v1/facts", params=told)
    yield "DELETE /v1/users/{user_id}", client.delete("/v1/users/ann")
    yield "DELETE /v1/users/{user_id}", client.delete("/v1/users/%20")
    path = "GET /v1/recommendations/{user_id}"
    for query in ("", "?k=0", "?kk=1", "?filter=x", "?exclude_seen=maybe"):
        yield path, client.get(f"/v1/recommendations/ann{query}")
    yield path, client.get("/v1/recommendations/ann", headers={"Host": "shop.example"})
    path = "POST /v1/recommendations"
    for body in ({"user_id": "ann"}, {"history": ["5", {"text": "x"}], "explain": True}, {}):
        yield path, client.post("/v1/recommendations", json=body)
    yield "POST /predict", client.post("/predict", json=QUESTION)
    yield "POST /predict", client.post("/predict", json={})
    for path in ("/v1/status", "/v1/release", "/metrics", "/healthz", "/readyz"):
        yield f"GET {path}", client.get(path)


def check(name: str, answer: httpx.Response) -> None:
    """Check an answer against its description."""
    described = dict(operations())[name]
    answers = child(described, "responses")
    assert str(answer.status_code) in answers, (name, answer.status_code, answer.text)
    media_type = answer.headers["content-type"].partition(";")[0]
    content = child(answers, str(answer.status_code), "content", media_type)
    body = answer.json() if media_type == JSON else answer.text
    assert not errors(content["schema"], body), (name, answer.text)


def test_real_answers_are_as_described(running: RunningGateway) -> None:
    for name, answer in calls(running.client):
        check(name, answer)
    running.model.status, running.model.body = 400, {"error": {"field": "k", "reason": "k: no"}}
    check("POST /predict", running.client.post("/predict", json=QUESTION))
    running.model.stop()
    for name, answer in calls(running.client):
        check(name, answer)


def test_answers_that_ask_for_the_key_are_as_described(tmp_path: Path) -> None:
    with serve(settings_in(tmp_path, inference_port=9, api_key="key")) as client:
        answer = client.get("/v1/recommendations/ann")
    assert answer.status_code == 401
    check("GET /v1/recommendations/{user_id}", answer)


def test_a_wrong_value_is_refused_in_one_sentence(shared_gateway: RunningGateway) -> None:
    for query, reason in (
        ("k=0", "k: found '0', expected a whole number from 1 to 1,000"),
        ("k=ten", "k: found 'ten', expected a whole number from 1 to 1,000"),
        ("exclude_seen=maybe", "exclude_seen: found 'maybe', expected true or false"),
        (
            "kk=3",
            "kk: found an unknown parameter, expected only attributes, copy, exclude_seen, "
            "filter, k, language, placement",
        ),
        ("language=fr", "language: found 'fr', expected en or zh"),
    ):
        answer = shared_gateway.client.get(f"/v1/recommendations/ann?{query}").json()
        assert answer["error"]["reason"] == reason
    (rejected,) = shared_gateway.client.post("/v1/events", json=[{**VIEW, "ratng": 3}]).json()[
        "rejected"
    ]
    assert rejected["reason"].startswith("ratng: found an unknown field, expected one of at, ")


def test_the_document_is_served(shared_gateway: RunningGateway) -> None:
    assert shared_gateway.client.get("/openapi.json").json() == json.loads(json.dumps(document()))
