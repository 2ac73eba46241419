"""Details of events: which are accepted, which are refused, and how they are stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from recommender.records.event_details import EventDetails
from recommender.records.events import Event, from_json, parse_event, to_json
from recommender.records.record_fields import InvalidRecord

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
EVENT: dict[str, object] = {
    "event_id": "e1",
    "user_id": "u",
    "item_id": "i",
    "type": "view",
    "at": "2026-11-25T11:00:00Z",
}
DETAILS: dict[str, object] = {
    "value": 59.8,
    "currency": "EUR",
    "quantity": 2,
    "dwell_s": 12.5,
    "query": "rivière 🎬",
    "recommendation_id": "rec-1",
}


def event(**changed: object) -> Event:
    return parse_event({**EVENT, **changed}, now=NOW, new_id=lambda: "new")


def test_details_are_stored_as_fields_of_the_event() -> None:
    detailed = event(type="purchase", **DETAILS)
    assert detailed.details == EventDetails(
        value=59.8,
        currency="EUR",
        quantity=2.0,
        dwell_s=12.5,
        query="rivière 🎬",
        recommendation_id="rec-1",
    )
    assert DETAILS.items() <= json.loads(to_json(detailed)).items()
    assert from_json(to_json(detailed)) == detailed


def test_an_event_without_details_is_stored_as_ever() -> None:
    """Logs of earlier releases are read, and their readers read what has no details."""
    line = (
        '{"kind":"event","event_id":"e1","user_id":"u","item_id":"i","type":"view",'
        '"at":"2026-11-25T11:00:00+00:00","rating":null}'
    )
    assert to_json(event(**dict.fromkeys(DETAILS))) == to_json(event()) == line
    assert from_json(line) == event()
    with pytest.raises(InvalidRecord, match="details: found an unknown field"):
        from_json(line.replace('"rating":null', '"details":null'))


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("value", "59.80"),
        ("value", -0.01),
        ("value", 1.1e12),
        ("value", float("nan")),
        ("value", True),
        ("value", 10**400),
        ("currency", "EURO"),
        ("currency", "eur"),
        ("currency", "€"),
        ("currency", "ÀÉÎ"),
        ("currency", 978),
        ("quantity", 0),
        ("quantity", -1),
        ("quantity", 1e7),
        ("quantity", [2]),
        ("dwell_s", -1),
        ("dwell_s", 86_401),
        ("dwell_s", float("inf")),
        ("query", ""),
        ("query", " "),
        ("query", "q" * 501),
        ("query", "a\0b"),
        ("query", 5),
        ("recommendation_id", "undefined"),
        ("recommendation_id", ""),
        ("recommendation_id", "x" * 513),
    ],
)
def test_a_bad_detail_is_refused_by_its_field(name: str, bad: object) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        event(**{name: bad})
    assert refusal.value.field == name
    assert refusal.value.reason.encode()


def test_a_search_is_stored_with_the_item_that_was_chosen() -> None:
    with pytest.raises(InvalidRecord, match="item_id: found a search without an item"):
        parse_event(
            {"user_id": "u", "type": "search", "query": "river"}, now=NOW, new_id=lambda: "new"
        )
    chosen = event(type="click", query="river")
    assert chosen.details == EventDetails(query="river")
