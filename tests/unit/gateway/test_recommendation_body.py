"""The body of `POST /v1/recommendations`: every option, and the field that a refusal names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.model.recommendation_body import parse_recommendation
from gateway.model.recommendation_request import LEFT_TO_PLACEMENTS, RecommendationRequest
from recommender.requests.wire import BadRequest, Element, Name

WEIRD = "a/b%2F..é 🎬.json"


def test_a_user_alone_gets_the_documented_defaults() -> None:
    expected = RecommendationRequest(user_id="ann", k=10, filter={}, left_out=LEFT_TO_PLACEMENTS)
    assert parse_recommendation({"user_id": "ann"}) == expected
    assert parse_recommendation({"user_id": "ann", "k": None, "history": None}) == expected
    assert parse_recommendation({"user_id": 17}).user_id == "17"


def test_a_body_takes_every_option() -> None:
    body = {
        "user_id": WEIRD,
        "history": ["50", {"id": WEIRD, "rating": 4, "at": 1_700_000_000}, {"text": "a heist"}],
        "k": 1000,
        "filter": {"genre": ["Comedy", "War"], "year": 1995},
        "exclude": [WEIRD, 6],
        "exclude_seen": False,
        "candidates": [WEIRD, "7"],
        "context": {"item_id": WEIRD},
        "at": "2026-01-31T12:00:00Z",
        "explain": True,
    }
    named = Name(kind="id", value=WEIRD)
    rated = Element(name=named, type="rating", rating=4.0, at_s=1_700_000_000.0)
    assert parse_recommendation(body) == RecommendationRequest(
        user_id=WEIRD,
        k=1000,
        exclude_seen=False,
        filter={"genre": ["Comedy", "War"], "year": 1995.0},
        history=(
            Element(name=Name(kind="any", value="50")),
            rated,
            Element(name=Name(kind="text", value="a heist")),
        ),
        exclude=(WEIRD, "6"),
        candidates=(WEIRD, "7"),
        context=WEIRD,
        at=datetime(2026, 1, 31, 12, tzinfo=UTC),
        explain=True,
    )


def test_lists_of_ten_thousand_are_the_longest() -> None:
    ids = [f"i{number}" for number in range(10_000)]
    body: dict[str, object] = {"history": ids, "exclude": ids, "candidates": ids}
    request = parse_recommendation(body)
    assert (len(request.history), request.exclude, request.candidates) == (
        10_000,
        tuple(ids),
        tuple(ids),
    )
    for name in body:
        with pytest.raises(BadRequest) as caught:
            parse_recommendation({**body, name: [*ids, "i"]})
        assert caught.value.field == name


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "x" * 513}, "user_id"),
        ({"user_id": ["ann"]}, "user_id"),
        ({"history": "50"}, "history"),
        ({"history": [None]}, "history[0]"),
        ({"history": ["50", {"id": "50", "ratng": 1}]}, "history[1].ratng"),
        ({"history": [{"id": "50", "at": "1989-12-31"}]}, "history[0].at"),
        ({"history": [], "k": 0}, "k"),
        ({"history": [], "k": 1001}, "k"),
        ({"history": [], "k": "10"}, "k"),
        ({"history": [], "filter": "genre:Comedy"}, "filter"),
        ({"history": [], "filter": {"genre": []}}, "filter.genre"),
        ({"history": [], "exclude": "50"}, "exclude"),
        ({"history": [], "exclude": ["50", {}]}, "exclude[1]"),
        ({"history": [], "exclude_seen": "no"}, "exclude_seen"),
        ({"history": [], "candidates": ["\ud800"]}, "candidates[0]"),
        ({"history": [{"id": "1", "type": "\ud800"}]}, "history[0].type"),
        ({"history": [], "context": "50"}, "context"),
        ({"history": [], "context": {}}, "context.item_id"),
        ({"history": [], "context": {"item_id": True}}, "context.item_id"),
        ({"history": [], "context": {"item_id": "5", "device": "phone"}}, "context.device"),
        ({"history": [], "at": 1}, "at"),
        ({"history": [], "at": "yesterday"}, "at"),
        ({"history": [], "explain": 1}, "explain"),
        ({"history": [], "kk": 1}, "kk"),
    ],
)
def test_a_wrong_body_names_its_field(body: dict[str, object], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_recommendation(body)
    assert (caught.value.field, field in caught.value.reason) == (field, True)
