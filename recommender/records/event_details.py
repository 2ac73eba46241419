"""The details of an event: what it may say beyond who did what to which item, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recommender.records.record_fields import InvalidRecord, id_field, number_field, text_field

MAX_VALUE = 1e12  # beyond any order in any currency, and sums of such values stay finite
MIN_QUANTITY, MAX_QUANTITY = 0.001, 1e6
MAX_DWELL_S = 86_400.0  # a day: more is a page that was left open
MAX_QUERY_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDetails:
    """At least one of these is given.

    `value` is what the event was worth in all, so for a purchase the price times the quantity, in
    `currency`. `dwell_s` is how long the user looked at the item. `query` is the search that led to
    the item, and `recommendation_id` the list of recommendations that showed it.
    """

    value: float | None = None
    currency: str | None = None
    quantity: float | None = None
    dwell_s: float | None = None
    query: str | None = None
    recommendation_id: str | None = None


DETAILS: tuple[str, ...] = tuple(EventDetails.__dataclass_fields__)


def parse_details(fields: Mapping[str, object]) -> EventDetails | None:
    """Return the details among the fields of an event; None if all are missing or null.

    Raise InvalidRecord.
    """
    given = {name: fields[name] for name in DETAILS if fields.get(name) is not None}
    if not given:
        return None
    return EventDetails(
        value=number_field(given, "value", least=0, most=MAX_VALUE),
        currency=_currency(given),
        quantity=number_field(given, "quantity", least=MIN_QUANTITY, most=MAX_QUANTITY),
        dwell_s=number_field(given, "dwell_s", least=0, most=MAX_DWELL_S),
        query=text_field(given, "query", limit=MAX_QUERY_CHARS) if "query" in given else None,
        recommendation_id=(
            id_field(given, "recommendation_id") if "recommendation_id" in given else None
        ),
    )


def given_details(details: EventDetails | None) -> dict[str, object]:
    """Return the details that are given, by name; none if there are no details."""
    if details is None:
        return {}
    values = {name: getattr(details, name) for name in DETAILS}
    return {name: value for name, value in values.items() if value is not None}


def _currency(given: Mapping[str, object]) -> str | None:
    value = given.get("currency")
    if value is None:
        return None
    if not (isinstance(value, str) and len(value) == 3 and value.isascii() and value.isupper()):
        raise InvalidRecord(
            "currency", found=value, expected="three capital letters (ISO 4217), such as EUR"
        )
    return value
