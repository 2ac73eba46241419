"""E-commerce events of Google Analytics 4: what each becomes, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.content.request_body import BadBody
from gateway.foreign.bodies import ga4_body
from gateway.foreign.ga4 import SHIPPED, Ga4Sender, sender_of, translate
from gateway.foreign.translation import Ignored, Outcome, Translated, Untranslatable, rules_of

RULES = rules_of(SHIPPED, {}, ("item_id",))
NOON_US = 1_769_860_800_000_000
SENDER = Ga4Sender(user_id="ann", user_name="user_id", timestamp_micros=None)
TEE: dict[str, object] = {
    "item_id": "SKU_12345",
    "item_name": "Tee",
    "item_brand": "Google",
    "index": 0,
    "price": 10.01,
    "quantity": 3,
}
PURCHASE: dict[str, object] = {
    "transaction_id": "T_12345",
    "value": 40.03,
    "tax": 4.9,
    "currency": "usd",
    "items": [TEE, {"item_id": "SKU_12346", "price": "10.00", "quantity": "1"}],
}


def event(name: str, params: object, **more: object) -> dict[str, object]:
    return {"name": name, "params": params, **more}


def outcomes(sent: object, sender: Ga4Sender = SENDER, *, index: int = 0) -> list[Outcome]:
    return list(translate(index, sent, sender, RULES))


def events(
    sent: object, sender: Ga4Sender = SENDER, *, index: int = 0
) -> list[Mapping[str, object]]:
    found = outcomes(sent, sender, index=index)
    return [one.event for one in found if isinstance(one, Translated)]


def ids(sent: object, sender: Ga4Sender = SENDER, *, index: int = 0) -> list[object]:
    return [one.get("event_id") for one in events(sent, sender, index=index)]


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_event_becomes_its_type(name: str) -> None:
    (translated,) = events(event(name, {"items": [TEE]}))
    assert translated["type"] == SHIPPED[name]
    assert (translated["user_id"], translated["item_id"]) == ("ann", "SKU_12345")


def test_a_purchase_is_one_event_for_each_item() -> None:
    bought = events(event("purchase", PURCHASE))
    assert [one["value"] for one in bought] == [pytest.approx(30.03), 10.0]
    assert [one["quantity"] for one in bought] == [3, 1.0]
    assert {one["currency"] for one in bought} == {"USD"}


def test_a_purchase_that_is_sent_twice_has_the_same_ids() -> None:
    """The page and the server may both report an order, with items in another order."""
    items = [*PURCHASE["items"], TEE]  # type: ignore[misc]
    whole = event("purchase", {**PURCHASE, "items": items})
    turned = event("purchase", {**PURCHASE, "items": items[::-1]}, timestamp_micros=NOON_US)
    first, again = ids(whole), ids(turned, index=3)
    assert len(set(first)) == 3
    assert set(first) == set(again)
    assert not set(first) & set(ids(event("purchase", {**PURCHASE, "transaction_id": "T_2"})))


def test_an_event_with_a_time_has_the_same_id_again() -> None:
    timed = Ga4Sender(user_id="ann", user_name="client_id", timestamp_micros=str(NOON_US))
    viewed = event("view_item", {"items": [TEE]})
    assert ids(viewed, timed) == ids(viewed, timed)
    assert ids(viewed, timed) != ids(viewed, timed, index=1)
    assert ids(viewed) == [None]  # without a time, a repeat looks like a new event


def test_the_time_is_that_of_the_event_or_the_body() -> None:
    timed = Ga4Sender(user_id="ann", user_name="user_id", timestamp_micros=NOON_US)
    own = event("view_item", {"items": [TEE]}, timestamp_micros=NOON_US + 1)
    assert events(own, timed)[0]["at"] == "2026-01-31T12:00:00.000001+00:00"
    assert events(event("view_item", {"items": [TEE]}), timed)[0]["at"] == (
        "2026-01-31T12:00:00+00:00"
    )
    assert "at" not in events(event("view_item", {"items": [TEE]}))[0]


def test_the_user_is_the_user_id_or_else_the_client() -> None:
    assert sender_of({"user_id": "ann", "client_id": "c"}).user_id == "ann"
    assert sender_of({"user_id": "", "client_id": "c"}).user_id == "c"
    assert sender_of({"app_instance_id": "a"}).user_id == "a"
    assert sender_of({"client_id": 5}).user_id == "5"


@pytest.mark.parametrize("user", [{}, {"client_id": "x" * 513}, {"client_id": "undefined"}])
def test_a_body_of_nobody_is_refused(user: dict[str, object]) -> None:
    with pytest.raises(BadBody, match="client_id"):
        sender_of(user)


@pytest.mark.parametrize("name", ["search", "refund", "page_view", "begin_checkout"])
def test_other_events_are_ignored_by_name(name: str) -> None:
    assert outcomes(event(name, {"search_term": "tee"})) == [Ignored(event=name)]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ("text", "events.0"),
        (event("purchase", None), "params"),
        (event("purchase", {"value": 3}), "params.items"),
        (event("purchase", {"items": []}), "params.items"),
        (event("purchase", {"items": TEE}), "params.items"),
        (event("purchase", {"items": [{"item_name": "Tee"}]}), "params.items.0.item_id"),
        (event("purchase", {"items": [None]}), "params.items.0"),
        (event("purchase", PURCHASE, timestamp_micros="noon"), "timestamp_micros"),
        (event("purchase", PURCHASE, timestamp_micros=10**18), "timestamp_micros"),
        (event("purchase", PURCHASE, timestamp_micros=1.5), "timestamp_micros"),
        (event("purchase", PURCHASE, timestamp_micros=True), "timestamp_micros"),
        (event("purchase", PURCHASE, timestamp_micros="9" * 5000), "timestamp_micros"),
        ({"params": {}}, "name"),
    ],
)
def test_an_event_without_what_is_needed_is_refused(sent: object, field: str) -> None:
    (refused,) = outcomes(sent)
    assert isinstance(refused, Untranslatable)
    assert refused.error.field == field


@pytest.mark.parametrize("body", [b"[]", b'{"client_id": "c"}', b'{"events": []}', b"", b"{"])
def test_a_body_without_events_is_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        ga4_body(body)
