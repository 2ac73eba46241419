"""Track calls of Segment and RudderStack: what each becomes, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from gateway.content.request_body import BadBody
from gateway.foreign.bodies import segment_calls
from gateway.foreign.segment import SHIPPED, translate
from gateway.foreign.translation import (
    Ignored,
    Outcome,
    Rules,
    Translated,
    Untranslatable,
    rules_of,
)

RULES = rules_of(SHIPPED, {}, ("product_id", "sku"))
SHIRT: dict[str, object] = {
    "product_id": "507f",
    "sku": "G-32",
    "name": "Striped shirt",
    "category": "Clothing",
    "price": 18.99,
    "quantity": 2,
    "currency": "usd",
    "position": 3,
    "value": 18.99,
    "url": "https://shop.example/striped-shirt",
}
ORDER: dict[str, object] = {
    "order_id": "50314b",
    "total": 52.5,
    "currency": "USD",
    "products": [
        {"product_id": "507f", "price": 19, "quantity": 1},
        {"sku": "F15", "price": "3.5", "quantity": "2"},
        {"product_id": 505, "name": "Uno card game"},
    ],
}


def track(event: str, properties: object, **changed: object) -> dict[str, object]:
    call = {
        "type": "track",
        "event": event,
        "userId": "019mr8mf4r",
        "anonymousId": "507f191e81",
        "messageId": "msg-1",
        "timestamp": "2026-01-31T12:00:00.984Z",
        "properties": properties,
    }
    return {**call, **changed}


def outcomes(call: object, rules: Rules = RULES) -> list[Outcome]:
    return list(translate(0, call, rules))


def events(call: object, rules: Rules = RULES) -> list[Mapping[str, object]]:
    return [one.event for one in outcomes(call, rules) if isinstance(one, Translated)]


def fields_at_fault(call: object) -> list[str]:
    return [one.error.field for one in outcomes(call) if isinstance(one, Untranslatable)]


@pytest.mark.parametrize("event", SHIPPED)
def test_each_shipped_event_becomes_its_type(event: str) -> None:
    (translated,) = events(track(event, {**SHIRT, "rating": "4"}))
    who = {"event_id": "msg-1", "user_id": "019mr8mf4r", "item_id": "507f"}
    when = {"at": "2026-01-31T12:00:00.984Z", "type": SHIPPED[event]}
    assert {**who, **when}.items() <= translated.items()


def test_a_view_has_no_value_and_a_cart_has_the_price_of_all() -> None:
    (viewed,) = events(track("Product Viewed", SHIRT))
    (added,) = events(track("Product Added", SHIRT))
    assert not {"value", "quantity", "currency"} & viewed.keys()
    assert (added["value"], added["quantity"], added["currency"]) == (37.98, 2, "USD")


def test_an_order_is_one_event_for_each_product() -> None:
    bought = events(track("Order Completed", ORDER))
    assert [one["event_id"] for one in bought] == ["msg-1:0", "msg-1:1", "msg-1:2"]
    assert [one["item_id"] for one in bought] == ["507f", "F15", 505]
    assert [one["value"] for one in bought] == [19, 7.0, None]
    assert [one.get("currency") for one in bought] == ["USD", "USD", None]
    assert {one["type"] for one in bought} == {"purchase"}


def test_a_visitor_without_user_id_is_the_anonymous_id() -> None:
    for nobody in (None, ""):
        (viewed,) = events(track("Product Viewed", SHIRT, userId=nobody))
        assert viewed["user_id"] == "507f191e81"


def test_without_message_id_and_time_both_are_assigned_later() -> None:
    (viewed,) = events({"event": "Product Viewed", "userId": "u", "properties": SHIRT})
    assert not {"event_id", "at"} & viewed.keys()


def test_details_come_from_the_product_or_the_call() -> None:
    products = [{**SHIRT, "recommendation_id": "r1"}, SHIRT]
    call = track("Product List Viewed", {"recommendation_id": "r2", "products": products})
    assert [one["recommendation_id"] for one in events(call)] == ["r1", "r2"]
    (clicked,) = events(track("Product Clicked", {**SHIRT, "query": "shirt", "dwell_s": 4}))
    assert (clicked["query"], clicked["dwell_s"]) == ("shirt", 4)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (track("Products Searched", {"query": "blue roses"}), "Products Searched"),
        (track("Order Refunded", ORDER), "Order Refunded"),
        (track("", {}), "(no name)"),
        (track("n" * 100, {}), "n" * 64),
        (track("a\nb", {}), "ab"),
        ({"type": "identify", "userId": "u"}, "identify"),
        ({"type": 7}, "(no name)"),
    ],
    ids=["search", "refund", "empty", "long", "line feed", "identify", "number"],
)
def test_other_calls_are_ignored_by_name(call: dict[str, object], name: str) -> None:
    assert outcomes(call) == [Ignored(event=name)]


def test_own_rules_add_to_the_shipped_ones_and_remove_them() -> None:
    own = {"Video Started": "play", "Product Viewed": ""}
    rules = rules_of(SHIPPED, own, ["video_id"])
    (played,) = events(track("Video Started", {"video_id": "v"}), rules)
    assert (played["type"], played["item_id"]) == ("play", "v")
    assert outcomes(track("Product Viewed", SHIRT), rules) == [Ignored(event="Product Viewed")]
    assert rules.types["Order Completed"] == "purchase"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ("text", "record"),
        (None, "record"),
        (track("Order Completed", {"order_id": "1"}), "properties.products"),
        (track("Order Completed", {"products": []}), "properties.products"),
        (track("Order Completed", {"products": "[]"}), "properties.products"),
        (track("Order Completed", {"products": {}}), "properties.products"),
        (track("Order Completed", None), "properties"),
        (track("Order Completed", []), "properties"),
        (track("Product Viewed", {"name": "no id"}), "properties.products"),
        (track("Product Viewed", SHIRT, userId=None, anonymousId=None), "userId"),
        (track("Product Viewed", SHIRT, messageId="null"), "messageId"),
        ({**track("x", SHIRT), "event": 5}, "event"),
    ],
)
def test_a_call_without_what_is_needed_is_refused(call: object, field: str) -> None:
    assert fields_at_fault(call) == [field]


LONG = "x" * 513


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (track("Order Completed", ORDER, userId=LONG), "userId"),
        (track("Order Completed", ORDER, timestamp=LONG), "timestamp"),
        (track("Order Completed", {**ORDER, "query": LONG}), "properties.query"),
        (track("Order Completed", {**ORDER, "dwell_s": [4]}), "properties.dwell_s"),
        (track("Order Completed", {**ORDER, "currency": {}}), "properties.currency"),
        (
            track("Product List Viewed", {**ORDER, "recommendation_id": 10**400}),
            "properties.recommendation_id",
        ),
    ],
    ids=str,
)
def test_a_long_value_of_all_products_is_refused_once(call: object, field: str) -> None:
    assert fields_at_fault(call) == [field]
    assert events(call) == []


def test_values_that_are_not_read_may_be_long() -> None:
    assert len(events(track("Product List Viewed", {**ORDER, "currency": LONG}))) == 3


def test_a_product_without_id_is_refused_and_the_others_are_not() -> None:
    products = [SHIRT, {"name": "no id", "product_id": ""}, "text", SHIRT]
    call = track("Order Completed", {"products": products})
    assert fields_at_fault(call) == ["properties.products.1.product_id", "properties.products.2"]
    assert [one["event_id"] for one in events(call)] == ["msg-1:0", "msg-1:3"]


def test_ten_thousand_products_are_ten_thousand_events() -> None:
    products = [{"product_id": f"ü/{number}%", "price": 1} for number in range(10_000)]
    shown = events(track("Order Completed", {"products": products}))
    assert len({one["event_id"] for one in shown}) == len(shown) == 10_000


def test_a_huge_price_is_left_to_the_check_of_events() -> None:
    (bought,) = events(track("Product Added", {**SHIRT, "price": 10**400, "quantity": 0.5}))
    assert bought["value"] == 10**400


CALL = json.dumps(track("Product Viewed", SHIRT)).encode()


@pytest.mark.parametrize(
    ("body", "content_type", "number"),
    [
        (CALL, "application/json", 1),
        (b'{"batch": [' + CALL + b"," + CALL + b'], "sentAt": "x"}', "application/json", 2),
        (b"[" + CALL + b"]", "text/plain", 1),
        (CALL + b"\n\n" + CALL + b"\r\n", "application/x-ndjson; charset=utf-8", 2),
    ],
    ids=["one", "batch", "list", "lines"],
)
def test_bodies_of_one_call_or_several(body: bytes, content_type: str, number: int) -> None:
    assert segment_calls(body, content_type) == [json.loads(CALL)] * number


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b'{"batch": []}', "the batch is empty"),
        (b'{"batch": {}}', "not a list"),
        (b"[]", "the batch is empty"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "not JSON"),
    ],
    ids=["empty", "no calls", "object", "empty list", "cut", "bytes", "nested", "digits"],
)
def test_a_body_that_holds_no_call_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(BadBody, match=words):
        segment_calls(body, "application/json")
