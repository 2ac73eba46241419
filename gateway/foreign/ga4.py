"""E-commerce events of Google Analytics 4, as the Measurement Protocol sends them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cron.epoch import moment
from gateway.content.request_body import BadBody
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
    "view_item_list": "impression",
    "select_item": "click",
    "view_item": "view",
    "add_to_cart": "add_to_cart",
    "add_to_wishlist": "save",
    "purchase": "purchase",
}
USER = ("user_id", "client_id", "app_instance_id")
_TIME = "timestamp_micros"
_LAST_US = 10**17  # in the year 5138; more digits are not microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ga4Sender:
    """What a body says of all of its events: the user, under which name, and perhaps the time."""

    user_id: str
    user_name: str
    timestamp_micros: object


def sender_of(body: Fields) -> Ga4Sender:
    """Return who sent a body; raise BadBody."""
    user = first_given(body, USER)
    if user is None:
        raise BadBody("the body has no client_id; expected client_id or user_id")
    name, value = user
    try:
        user_id = id_field({name: value}, name)  # once: every event of the body has it
    except InvalidRecord as error:
        raise BadBody(error.reason) from error
    return Ga4Sender(user_id=user_id, user_name=name, timestamp_micros=body.get(_TIME))


def translate(index: int, sent: object, sender: Ga4Sender, rules: Rules) -> Iterator[Outcome]:
    """Yield what one event becomes: an event for each item, or why there is none.

    A purchase with a transaction id, or any event with a time, always gets the same ids.
    """
    try:
        event = object_at(sent, f"events.{index}")
        if not isinstance(event.get("name"), str):
            raise InvalidRecord("name", found=event.get("name"), expected="the name of an event")
        type_ = rules.types.get(str(event["name"]))
        if type_ is None:
            yield Ignored(event=shown_name(event["name"]))
            return
        yield from _translate_event(index, event, type_, sender, rules)
    except InvalidRecord as error:
        yield Untranslatable(index=index, user_id=sender.user_id, error=error, sent=sent)


def _translate_event(
    index: int, event: Fields, type_: str, sender: Ga4Sender, rules: Rules
) -> Iterator[Outcome]:
    params = object_at(event.get("params"), "params")
    time = first_given(event, [_TIME])
    micros = sender.timestamp_micros if time is None else time[1]
    shared: dict[str, object] = {"user_id": sender.user_id}
    if micros is not None and micros != "":
        shared["at"] = _time_of(micros)
    call = Call(
        index=index,
        type=type_,
        common=params,
        path="params",
        shared=shared,
        called={"user_id": sender.user_name, "at": _TIME},
        query_name="search_term",
    )
    if params.get("items") is None:
        raise InvalidRecord("params.items", problem="no item", expected="a list of items")
    products = products_at(params["items"], "params.items")
    identity = _identity(index, event, type_, shared)
    counts: Counter[object] = Counter()
    for outcome in translate_products(call, products, rules):
        if isinstance(outcome, Translated) and identity is not None:
            item_id = str(outcome.event["item_id"])
            yield outcome.with_id(f"ga4:{_digest([identity, item_id, counts[item_id]])}")
            counts[item_id] += 1
        else:
            yield outcome


def _time_of(micros: object) -> str:
    """Return a time in microseconds, sent as a number or as digits, as ISO 8601."""
    whole = micros
    if isinstance(micros, str) and len(micros) < 18 and micros.isascii() and micros.isdigit():
        whole = int(micros)
    if not isinstance(whole, int) or isinstance(whole, bool) or not 0 <= whole < _LAST_US:
        raise InvalidRecord(_TIME, found=micros, expected="microseconds since 1970")
    return moment(whole).isoformat()


def _identity(index: int, event: Fields, type_: str, shared: Mapping[str, object]) -> str | None:
    """Return a digest that is the same when an event is sent again; None if nothing tells."""
    params = event["params"]
    assert isinstance(params, dict)
    transaction = first_given(params, ["transaction_id"])
    if type_ == "purchase" and transaction is not None:
        return _digest(["order", str(event["name"]), str(transaction[1])])
    return _digest(["event", index, shared, event]) if "at" in shared else None


def _digest(content: list[object]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
