"""The products of a foreign event: one event in our form for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.foreign.translation import (
    Fields,
    Outcome,
    Rules,
    Translated,
    Untranslatable,
    first_given,
    is_short,
    number_of,
    object_at,
)
from recommender.records.ids import MAX_ID_CHARS
from recommender.records.record_fields import InvalidRecord, is_finite

# what a shown item costs is a fact about the item; for other types it is what the user spent
_WITHOUT_VALUE = frozenset({"impression", "view", "click"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A foreign event: who did what when, and what applies to all of its products.

    `common` is the object that holds them, at `path` in the entry. `shared` are fields of our form
    that all products have, and `called` the sender's names of those.
    """

    index: int
    type: str
    common: Fields
    path: str
    shared: Mapping[str, object]
    called: Mapping[str, str]
    query_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product of a call, at `path` in the entry; `place` counts the products of the call."""

    place: int
    path: str
    fields: Fields


def products_at(value: object, path: str) -> list[tuple[str, object]]:
    """Return the elements of a list of products with their paths; raise InvalidRecord."""
    if not isinstance(value, list):
        raise InvalidRecord(path, found=value, expected="a list of products")
    if not value:
        raise InvalidRecord(path, problem="an empty list", expected="at least one product")
    return [(f"{path}.{place}", product) for place, product in enumerate(value)]


def translate_products(
    call: Call, products: Sequence[tuple[str, object]], rules: Rules
) -> Iterator[Outcome]:
    """Yield an event for each product, or why there is none.

    Raise InvalidRecord for a value that applies to all products and is too long for any field.
    """
    _refuse_long(call)
    for place, (path, sent) in enumerate(products):
        try:
            product = Product(place=place, path=path, fields=object_at(sent, path))
            yield _event_of(call, product, rules)
        except InvalidRecord as error:
            yield Untranslatable(
                index=call.index, user_id=call.shared["user_id"], error=error, sent=sent
            )


def _refuse_long(call: Call) -> None:
    """Check the length once: each product would be checked against, and hold, the same value."""
    shared = {call.called[ours]: value for ours, value in call.shared.items()}
    names = ["recommendation_id", "dwell_s", call.query_name]
    if call.type not in _WITHOUT_VALUE:
        names.append("currency")
    common = {f"{call.path}.{name}": call.common.get(name) for name in names}
    for field, value in {**shared, **common}.items():
        if not is_short(value):
            raise InvalidRecord(
                field,
                found=value,
                expected=f"a number, or a text of at most {MAX_ID_CHARS} characters",
            )


def _event_of(call: Call, product: Product, rules: Rules) -> Translated:
    found = first_given(product.fields, rules.item_id)
    if found is None:
        names = " or ".join(rules.item_id)
        field = f"{product.path}.{rules.item_id[0]}"
        raise InvalidRecord(field, problem="no id", expected=f"a product with {names}")
    name, item_id = found
    event: dict[str, object] = {**call.shared, "type": call.type, "item_id": item_id}
    called = {**call.called, "item_id": f"{product.path}.{name}"}
    for ours, theirs in (
        ("recommendation_id", "recommendation_id"),
        ("dwell_s", "dwell_s"),
        ("query", call.query_name),
    ):
        if (value := first_given(product.fields, [theirs])) is not None:
            event[ours], called[ours] = value[1], f"{product.path}.{theirs}"
        elif (value := first_given(call.common, [theirs])) is not None:
            event[ours], called[ours] = value[1], f"{call.path}.{theirs}"
    if call.type == "rating":
        event["rating"] = number_of(product.fields.get("rating"))
        called["rating"] = f"{product.path}.rating"
    if call.type not in _WITHOUT_VALUE:
        _add_value(event, called, call, product)
    return Translated(index=call.index, event=event, called=called)


def _add_value(
    event: dict[str, object], called: dict[str, str], call: Call, product: Product
) -> None:
    """Add quantity, currency and value: the price times the quantity, or the value that is sent."""
    quantity = number_of(product.fields.get("quantity"))
    price, value = (number_of(product.fields.get(name)) for name in ("price", "value"))
    field = "value"
    if price is not None:  # a value that is not a number is refused by its field
        times = 1.0 if quantity is None else quantity
        value = price * times if is_finite(price) and is_finite(times) else price
        field = "price"
    event["quantity"], called["quantity"] = quantity, f"{product.path}.quantity"
    event["value"], called["value"] = value, f"{product.path}.{field}"
    if value is None:
        return
    for fields, path in ((product.fields, product.path), (call.common, call.path)):
        currency = fields.get("currency")
        if currency is not None and currency != "":
            event["currency"] = currency.upper() if isinstance(currency, str) else currency
            called["currency"] = f"{path}.currency"
            return
