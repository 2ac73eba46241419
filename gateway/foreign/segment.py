"""Segment's and RudderStack's `track` calls of the e-commerce specification (version 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.foreign.products import Call, products_at, translate_products
from gateway.foreign.translation import (
    Fields,
    Ignored,
    Outcome,
    Rules,
    Translated,
    Untranslatable,
    first_given,
    object_at,
    shown_name,
)
from recommender.records.record_fields import InvalidRecord, id_field

SHIPPED: Mapping[str, str] = {
    "Product List Viewed": "impression",
    "Product List Filtered": "impression",
    "Product Clicked": "click",
    "Product Viewed": "view",
    "Product Added": "add_to_cart",
    "Wishlist Product Added to Cart": "add_to_cart",
    "Product Added to Wishlist": "save",
    "Order Completed": "purchase",
    "Product Reviewed": "rating",
}
_USER = ("userId", "anonymousId")
_TIME = ("timestamp", "originalTimestamp")


def translate(index: int, sent: object, rules: Rules) -> Iterator[Outcome]:
    """Yield what one call becomes: an event for each product, or why there is none.

    The message id makes a repeat harmless; with a list of products, their places are added to it.
    """
    user_id: object = None
    try:
        call = object_at(sent, "record")
        kind = call.get("type", "track")
        if kind != "track":
            yield Ignored(event=shown_name(kind))
            return
        if not isinstance(call.get("event"), str):
            raise InvalidRecord("event", found=call.get("event"), expected="the name of an event")
        type_ = rules.types.get(str(call["event"]))
        if type_ is None:
            yield Ignored(event=shown_name(call["event"]))
            return
        user = first_given(call, _USER)
        if user is None:
            raise InvalidRecord("userId", problem="none", expected="userId or anonymousId")
        user_id = user[1]
        yield from _translate_track(index, call, type_, rules)
    except InvalidRecord as error:
        yield Untranslatable(index=index, user_id=user_id, error=error, sent=sent)


def _translate_track(index: int, sent: Fields, type_: str, rules: Rules) -> Iterator[Outcome]:
    shared: dict[str, object] = {}
    called: dict[str, str] = {}
    for ours, theirs in (("user_id", _USER), ("at", _TIME)):
        if (found := first_given(sent, theirs)) is not None:
            called[ours], shared[ours] = found
    properties = object_at(sent.get("properties"), "properties")
    message_id = None
    if first_given(sent, ["messageId"]) is not None:
        message_id = id_field(sent, "messageId")
    call = Call(
        index=index,
        type=type_,
        common=properties,
        path="properties",
        shared=shared,
        called={**called, "event_id": "messageId"},
        query_name="query",
    )
    if properties.get("products") is not None:
        products = products_at(properties["products"], "properties.products")
        place_of = ":{}".format
    elif first_given(properties, rules.item_id) is not None:
        products = [("properties", properties)]
        place_of = "".format
    else:
        names = " or ".join(rules.item_id)
        raise InvalidRecord(
            "properties.products", problem="no product", expected=f"products, or {names}"
        )
    for place, outcome in enumerate(translate_products(call, products, rules)):
        if isinstance(outcome, Translated) and message_id is not None:
            yield outcome.with_id(message_id + place_of(place))
        else:
            yield outcome
