"""Events of Segment and GA4 over HTTP: stored once for each product, refused by field."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.journal.dead_letters import DeadLetters
from gateway.foreign.bodies import MAX_FOREIGN_BYTES
from gateway.intake.foreign_intake import MAX_LETTERS
from recommender.records.event_details import EventDetails
from recommender.records.events import Event
from tests.component.gateway_process import RunningGateway

ORDER = {
    "type": "track",
    "event": "Order Completed",
    "userId": "ann/ü%2",
    "messageId": "order-1",
    "timestamp": "2026-01-31T12:00:00Z",
    "properties": {
        "currency": "EUR",
        "recommendation_id": "rec-1",
        "products": [
            {"product_id": "50", "price": 29.9, "quantity": 2},
            {"product_id": "172", "price": 12, "quantity": 1},
            {"product_id": "7"},
        ],
    },
}
NOON_US = 1_769_860_800_000_000
SEARCH = {"type": "track", "event": "Products Searched", "userId": "ann", "properties": {}}


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track"])
def test_senders_find_the_call_at_their_own_path(running: RunningGateway, path: str) -> None:
    body: object = {"batch": [ORDER], "sentAt": "2026-01-31T12:00:01Z"}
    answer = running.client.post(path, json=body if path == "/v1/batch" else ORDER)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)


def test_an_order_is_stored_once_however_often_it_comes(running: RunningGateway) -> None:
    call = {"batch": [SEARCH, ORDER, SEARCH, {"type": "page", "userId": "ann"}]}
    answer = running.client.post("/v1/events/segment", json=call)
    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 3,
        "duplicates": 0,
        "rejected": [],
        "ignored": [{"event": "Products Searched", "count": 2}, {"event": "page", "count": 1}],
    }
    stored = running.log_records()
    assert [(one.event_id, one.item_id) for one in stored if isinstance(one, Event)] == [
        ("order-1:0", "50"),
        ("order-1:1", "172"),
        ("order-1:2", "7"),
    ]
    assert isinstance(stored[0], Event)
    assert (stored[0].user_id, stored[0].type) == ("ann/ü%2", "purchase")
    assert stored[0].details == EventDetails(
        value=59.8, currency="EUR", quantity=2.0, recommendation_id="rec-1"
    )
    again = running.client.post("/v1/events/segment", json=ORDER).json()
    assert (again["accepted"], again["duplicates"]) == (0, 3)
    assert running.log_records() == stored
    running.client.get("/v1/recommendations/ann%2F%C3%BC%252")
    history = running.model.asked[-1]["user_seq"]
    assert isinstance(history, dict)
    assert history["id"] == ["50", "172", "7"]


def test_ga4_events_are_stored_once(running: RunningGateway) -> None:
    body = {
        "client_id": "1046.1769",
        "timestamp_micros": str(NOON_US),
        "events": [
            {"name": "view_item_list", "params": {"items": [{"item_id": "5"}, {"item_id": "6"}]}},
            {"name": "search", "params": {"search_term": "river"}},
            {"name": "select_item", "params": {"items": [{"item_id": "6"}]}},
        ],
    }
    path = "/v1/events/ga4?measurement_id=G-1&api_secret=s"
    answer = running.client.post(path, json=body)
    assert answer.status_code == 202
    assert answer.json()["ignored"] == [{"event": "search", "count": 1}]
    stored = [one for one in running.log_records() if isinstance(one, Event)]
    assert [(one.type, one.item_id) for one in stored] == [
        ("impression", "5"),
        ("impression", "6"),
        ("click", "6"),
    ]
    assert {one.user_id for one in stored} == {"1046.1769"}
    assert running.client.post(path, json=body).json()["duplicates"] == 3


@pytest.mark.parametrize(
    ("product", "field", "reason"),
    [
        ({"product_id": "1", "quantity": 0}, "quantity", "found 0, expected a number from 0.001"),
        ({"product_id": "1", "quantity": -1}, "quantity", "found -1"),
        ({"product_id": "1", "price": "19,99"}, "price", "found '19,99', expected a number"),
        ({"product_id": "1", "price": -5}, "price", "found -5"),
        ({"product_id": "1", "price": 5, "currency": "EURO"}, "currency", "found 'EURO'"),
        ({"product_id": "1", "price": 5, "currency": 978}, "currency", "found 978"),
        ({"product_id": "undefined"}, "product_id", "found 'undefined', expected an id"),
        ({"product_id": ["1"]}, "product_id", "expected a non-empty string"),
        ({"name": "no id"}, "product_id", "found no id, expected a product with product_id or sku"),
        ({"product_id": "1", "recommendation_id": " "}, "recommendation_id", "found ' '"),
    ],
    ids=str,
)
def test_a_bad_product_is_refused_by_the_senders_field(
    shared_gateway: RunningGateway, product: dict[str, object], field: str, reason: str
) -> None:
    bad = {**ORDER, "messageId": None, "properties": {"products": [product]}}
    answer = shared_gateway.client.post("/v1/events/segment", json=bad)
    assert answer.status_code == 400
    (rejected,) = answer.json()["rejected"]
    assert (rejected["index"], rejected["field"]) == (0, f"properties.products.0.{field}")
    assert rejected["reason"].startswith(f"properties.products.0.{field}: found")
    assert reason in rejected["reason"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"timestamp": "2999-01-01T00:00:00Z"}, "timestamp"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"userId": "null"}, "userId"),
        ({"messageId": "x" * 511}, "messageId"),
    ],
    ids=str,
)
def test_a_bad_call_is_refused_by_the_senders_field(
    shared_gateway: RunningGateway, changed: dict[str, object], field: str
) -> None:
    answer = shared_gateway.client.post("/v1/events/segment", json={**ORDER, **changed})
    assert answer.status_code == 400
    assert {one["field"] for one in answer.json()["rejected"]} == {field}


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("segment", b'{"batch": []}', 400),
        ("segment", b"", 400),
        ("segment", b"[" * 100_000, 400),
        ("segment", b" " * (MAX_FOREIGN_BYTES + 1), 413),
        ("segment?x=1", b"{}", 400),
        ("ga4", b'{"client_id": "c", "events": []}', 400),
        ("ga4", b'{"events": [{"name": "view_item"}]}', 400),
        ("ga4", b"[]", 400),
    ],
    ids=["no calls", "empty", "nested", "large", "query", "no events", "nobody", "list"],
)
def test_a_body_that_can_not_be_read_is_refused(
    shared_gateway: RunningGateway, path: str, content: bytes, status: int
) -> None:
    answer = shared_gateway.client.post(f"/v1/events/{path}", content=content)
    assert answer.status_code == status
    assert answer.json()["error"]["reason"]


def test_ten_thousand_products_are_stored(running: RunningGateway) -> None:
    products = [{"product_id": f"ü/{number}%", "price": 1} for number in range(10_000)]
    large = {**ORDER, "properties": {"products": products}}
    answer = running.client.post("/v1/events/segment", json=large)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 10_000)


def test_a_body_at_the_edge_of_nesting_is_no_error(shared_gateway: RunningGateway) -> None:
    """A body may be parsed at a depth at which it can't be written again."""
    statuses = set[int]()
    for depth in range(930, 1000):
        nested = f'{{"item_id": "1", "x": {"[" * depth}{"]" * depth}}}'
        events = f'[{{"name": "view_item", "params": {{"items": [{nested}]}}}}]'
        body = f'{{"client_id": "c", "timestamp_micros": {NOON_US}, "events": {events}}}'
        answer = shared_gateway.client.post("/v1/events/ga4", content=body.encode())
        statuses.add(answer.status_code)
    assert statuses == {202, 400}


def test_letters_of_one_call_are_limited(running: RunningGateway, tmp_path: Path) -> None:
    bad = [{"product_id": str(number), "quantity": 0} for number in range(MAX_LETTERS + 5)]
    call = {**ORDER, "properties": {"products": bad}}
    answer = running.client.post("/v1/events/segment", json=call)
    assert (answer.status_code, answer.json()["more_rejected"]) == (400, 5)
    letters = DeadLetters(tmp_path / "var" / "dead-letters.jsonl").newest(2 * MAX_LETTERS)
    assert len(letters) == MAX_LETTERS


def test_letters_of_a_forgotten_user_are_deleted(running: RunningGateway, tmp_path: Path) -> None:
    bad = {"product_id": "1", "quantity": 0}
    for user_id in ("ann", "bob"):
        call = {**ORDER, "userId": user_id, "properties": {"products": [bad, "text"]}}
        running.client.post("/v1/events/segment", json=call)
    running.client.delete("/v1/users/ann")
    letters = DeadLetters(tmp_path / "var" / "dead-letters.jsonl").newest(10)
    assert [one.source for one in letters] == ["gateway segment"] * 2
    assert all('"bob"' in one.raw for one in letters)
