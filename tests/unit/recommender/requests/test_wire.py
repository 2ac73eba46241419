"""The endpoint's input: every valid form, and the field that an error names."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.lists.resolve import CHARS_A_TEXT, MAX_FREE_CHARS
from recommender.records.ids import MAX_ID_CHARS
from recommender.requests import wire
from recommender.requests.batch_work import MAX_ELEMENTS
from recommender.requests.body import decode, parse
from recommender.requests.wire import (
    BadRequest,
    Element,
    FilterValue,
    History,
    Name,
    ScoreRequest,
    SimilarRequest,
    TopRequest,
)

FIELDS = st.sampled_from(
    ["user_seq", "items", "k", "similar_to", "filter", "id", "text", "rating", "at", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner),
    max_leaves=12,
)


def test_item_desc_is_one_score() -> None:
    request = parse({"user_seq": ["Toy Story (1995)"], "item_desc": "GoldenEye (1995)"})
    seen = Element(name=Name(kind="any", value="Toy Story (1995)"))
    assert request == ScoreRequest(
        history=History.of([seen]), items=(Name(kind="any", value="GoldenEye (1995)"),), single=True
    )


def test_items_may_be_strings_ids_and_texts() -> None:
    request = parse({"user_seq": [], "items": ["a text", {"id": "17"}, {"text": "17"}, 17]})
    assert isinstance(request, ScoreRequest)
    assert [(item.kind, item.value) for item in request.items] == [
        ("any", "a text"),
        ("id", "17"),
        ("text", "17"),
        ("id", "17"),
    ]


def test_whole_numbers_are_ids_as_in_events() -> None:
    number = 1_790_000_000_000_000_000
    request = parse({"user_seq": [number, {"id": 10**511}], "k": 1, "exclude": [number]})
    assert isinstance(request, TopRequest)
    assert [element.name.value for element in request.history] == [str(number), str(10**511)]
    assert request.exclude == (str(number),)


def test_top_k_has_the_documented_defaults() -> None:
    assert parse({"user_seq": [], "k": 10}) == TopRequest(
        history=History(), k=10, exclude_seen=True, exclude=(), filter={}
    )


def test_top_k_takes_every_option() -> None:
    wishes = {"genre": ["Comedy", "War"], "year": 1995, "tag": "x"}
    body = {"user_seq": [], "k": 1000, "exclude_seen": False, "exclude": ["5", 6], "filter": wishes}
    wanted: dict[str, FilterValue] = {"genre": ("Comedy", "War"), "year": 1995.0, "tag": "x"}
    assert parse(body) == TopRequest(
        history=History(), k=1000, exclude_seen=False, exclude=("5", "6"), filter=wanted
    )


def test_similar_to_takes_an_id_or_a_text_and_k_is_ten() -> None:
    assert parse({"similar_to": "17"}) == SimilarRequest(item=Name(kind="any", value="17"), k=10)
    assert parse({"similar_to": {"text": "war film"}, "k": 3}) == SimilarRequest(
        item=Name(kind="text", value="war film"), k=3
    )


def test_a_history_element_may_have_type_rating_and_time() -> None:
    request = parse(
        {
            "user_seq": [
                {"id": 17, "rating": 4, "at": "1997-12-04T00:00:00Z"},
                {"text": "x", "type": "click", "at": 881193600},
            ],
            "k": 1,
        }
    )
    assert isinstance(request, TopRequest)
    rated = Element(name=Name(kind="id", value="17"), type="rating", rating=4.0, at_s=881193600.0)
    clicked = Element(name=Name(kind="text", value="x"), type="click", at_s=881193600.0)
    assert [*request.history] == [rated, clicked]


def test_a_history_may_have_ten_thousand_elements() -> None:
    request = parse({"user_seq": ["17"] * 10_000, "k": 1})
    assert isinstance(request, TopRequest)
    assert len(request.history) == 10_000


def test_a_body_without_a_content_type_is_parsed_as_json() -> None:
    assert parse(decode(b'{"user_seq": ["caf\xc3\xa9 \xf0\x9f\x8e\xac"], "k": 1}')) == parse(
        {"user_seq": ["café 🎬"], "k": 1}
    )


@pytest.mark.parametrize(
    "body", ["", "{", b"", b"{", b'{"user_seq": [}', b"\xff\xfe", b"[" * 200_000, b"9" * 10_000]
)
def test_malformed_json_is_refused(body: bytes | str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(decode(body))
    assert caught.value.field == "body"


BAD_RATINGS: list[object] = [math.nan, math.inf, -math.inf, "4", True, [], 10**400]
BAD_TYPES: list[object] = ["", 3, "x" * 65, []]
BAD_TIMES: list[object] = [0, "yesterday", True, math.nan, 1e300, 10**400, 1.7e12, {}]
GOOD: dict[str, object] = {"user_seq": ["a"]}
WRONG: list[tuple[object, str]] = [
    (None, "body"),
    ("text", "body"),
    (17, "body"),
    ({}, "body"),
    (GOOD, "body"),
    ({**GOOD, "item_desc": "a", "items": ["a"]}, "body"),
    ({**GOOD, "item_desc": "a", "k": 1}, "body"),
    ({"k": 1}, "user_seq"),
    ({"item_desc": "a"}, "user_seq"),
    ({"user_seq": None, "k": 1}, "user_seq"),
    ({"user_seq": "Toy Story", "k": 1}, "user_seq"),
    ({"user_seq": {}, "k": 1}, "user_seq"),
    ({**GOOD, "k": 1, "kk": 1}, "kk"),
    ({**GOOD, "item_desc": "a", "exclude": []}, "exclude"),
    ({**GOOD, "similar_to": "a"}, "user_seq"),
    ({**GOOD, "items": []}, "items"),
    ({**GOOD, "items": "a"}, "items"),
    ({**GOOD, "items": ["a"] * 1001}, "items"),
    ({**GOOD, "items": ["a", None]}, "items[1]"),
    ({**GOOD, "items": ["a", {}]}, "items[1]"),
    ({**GOOD, "items": [{"id": "1", "text": "a"}]}, "items[0]"),
    ({**GOOD, "items": [{"title": "a"}]}, "items[0].title"),
    ({**GOOD, "items": [{"id": ""}]}, "items[0].id"),
    ({**GOOD, "items": [{"id": 1.5}]}, "items[0].id"),
    ({**GOOD, "items": [{"text": " "}]}, "items[0].text"),
    ({**GOOD, "items": [True]}, "items[0]"),
    ({**GOOD, "item_desc": ""}, "item_desc"),
    ({**GOOD, "item_desc": ["a"]}, "item_desc"),
    ({**GOOD, "item_desc": "x" * 20_001}, "item_desc"),
    ({**GOOD, "item_desc": "a \ud800"}, "item_desc"),
    *(
        ({**GOOD, "k": k}, "k")
        for k in (0, -1, 1001, 1_000_000, 10**400, 2.0, "10", True, None, math.nan)
    ),
    ({"similar_to": "a", "k": 0}, "k"),
    ({"similar_to": None}, "similar_to"),
    ({"user_seq": [1.5], "k": 1}, "user_seq[0]"),
    ({"user_seq": [True], "k": 1}, "user_seq[0]"),
    ({"user_seq": ["a", []], "k": 1}, "user_seq[1]"),
    ({"user_seq": [10**5000], "k": 1}, "user_seq[0]"),
    ({"user_seq": [{"rating": 4}], "k": 1}, "user_seq[0]"),
    ({"user_seq": [{"id": "1", "ratng": 4}], "k": 1}, "user_seq[0].ratng"),
    *(
        ({"user_seq": [{"id": "1", "rating": r}], "k": 1}, "user_seq[0].rating")
        for r in BAD_RATINGS
    ),
    *(({"user_seq": [{"id": "1", "type": t}], "k": 1}, "user_seq[0].type") for t in BAD_TYPES),
    *(({"user_seq": [{"id": "1", "at": t}], "k": 1}, "user_seq[0].at") for t in BAD_TIMES),
    ({**GOOD, "k": 1, "exclude_seen": 1}, "exclude_seen"),
    ({**GOOD, "k": 1, "exclude_seen": None}, "exclude_seen"),
    ({**GOOD, "k": 1, "exclude": "5"}, "exclude"),
    ({**GOOD, "k": 1, "exclude": [5.5]}, "exclude[0]"),
    ({**GOOD, "k": 1, "exclude": ["x" * 513]}, "exclude[0]"),
    ({**GOOD, "k": 1, "filter": "Comedy"}, "filter"),
    ({**GOOD, "k": 1, "filter": {"genre": None}}, "filter.genre"),
    ({**GOOD, "k": 1, "filter": {"genre": []}}, "filter.genre"),
    ({**GOOD, "k": 1, "filter": {"genre": [1]}}, "filter.genre"),
    ({**GOOD, "k": 1, "filter": {"year": math.inf}}, "filter.year"),
    ({**GOOD, "k": 1, "filter": {"": "x"}}, "filter"),
]


@pytest.mark.parametrize(
    ("body", "field"), WRONG, ids=[f"{i}-{field}" for i, (_, field) in enumerate(WRONG)]
)
def test_a_wrong_body_names_its_field_and_what_was_expected(body: object, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(body)
    assert caught.value.field == field
    assert caught.value.reason.startswith(f"{field}: found ")
    assert ", expected " in caught.value.reason


def test_the_limit_of_k_is_in_the_error() -> None:
    with pytest.raises(BadRequest, match=f"from 1 to {wire.MAX_K}"):
        parse({"user_seq": [], "k": 1_000_000})


@given(
    type_=st.sampled_from(["view", "rating", "impression", "purchase"]),
    rating=st.none() | st.floats(-1e301, 1e301),
    quarters=st.none() | st.integers(0, 10**12),
)
def test_an_element_of_the_gateway_is_read_as_any_other(
    type_: str, rating: float | None, quarters: int | None
) -> None:
    """Times as texts and nulls are examined field by field."""
    plain: dict[str, object] = {"id": "i1", "type": type_}
    other: dict[str, object] = {**plain, "rating": rating, "at": None}
    if rating is not None:
        plain["rating"] = rating
    if quarters is not None:
        plain["at"] = quarters / 4
        other["at"] = str(quarters / 4)
    assert _history_of(plain) == _history_of(other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": []},
        {"type": " "},
        {"id": " "},
        {"id": None},
        {"rating": math.nan},
        {"rating": True},
        {"at": 1.0},
        {"at": math.inf},
        {"text": "as well"},
        {"x": None},
    ],
)
def test_an_element_of_the_gateway_is_examined(wrong: dict[str, object]) -> None:
    element = {"id": "i1", "type": "view", "rating": 4.5, "at": 1.7e9, **wrong}
    assert _history_of(element) is None


def _history_of(element: dict[str, object]) -> History | None:
    try:
        request = parse({"user_seq": [element], "k": 1})
    except BadRequest:
        return None
    assert isinstance(request, TopRequest)
    return request.history


@given(body=JSON)
def test_any_json_is_parsed_or_refused_with_a_short_plain_reason(body: object) -> None:
    try:
        parse(body)
    except BadRequest as error:
        rendered = json.dumps(wire.error_body(error))
        assert rendered.isascii()
        assert len(rendered) < 1000


def test_the_documented_limits_are_the_ones_in_force() -> None:
    """Client authors rely on docs/endpoint.md."""
    page = (Path(__file__).parents[4] / "docs" / "endpoint.md").read_text()
    table = dict(
        re.findall(
            r"^\| (.+?) \| (.+?) \|$",
            page.partition("## Limits")[2].partition("## When")[0],
            re.MULTILINE,
        )
    )
    free_texts = next(row for row in table if row.startswith("free texts"))
    expected = {
        "`k`": f"1 to {wire.MAX_K:,}",
        "`user_seq`": f"{wire.MAX_HISTORY:,} elements",
        "`items`": f"1 to {wire.MAX_CANDIDATES:,}",
        "`exclude`": f"{wire.MAX_EXCLUDED:,} ids",
        "`filter`": f"{wire.MAX_FILTERS} attributes",
        free_texts: f"{MAX_FREE_CHARS:,} characters, and {CHARS_A_TEXT} more for each text",
        "values of JSON": f"{wire.MAX_VALUES:,}",
        next(row for row in table if row.startswith("elements of")): f"{MAX_ELEMENTS:,}",
        "an id": f"{MAX_ID_CHARS} characters",
        "bodies in a list": str(wire.MAX_BODIES),
    }
    assert {row: table[row] for row in expected} == expected
    assert table["one text"].startswith(f"{wire.MAX_TEXT_CHARS:,} characters")


@pytest.mark.parametrize(
    "body",
    ["[" + "[]," * wire.MAX_VALUES + "[]]", '{"user_seq": [' + "{}," * wire.MAX_VALUES + "{}]}"],
)
def test_json_of_too_many_values_is_refused_before_it_is_parsed(body: str) -> None:
    with pytest.raises(BadRequest, match="more than 2,000,000 values"):
        decode(body.encode())


def test_the_longest_lists_are_parsed() -> None:
    element = {"id": "1790000000", "type": "rating", "rating": 4.5, "at": "2026-01-31T12:00:00Z"}
    body = {
        "user_seq": [element] * wire.MAX_HISTORY,
        "k": 10,
        "exclude": ["1790000000"] * wire.MAX_EXCLUDED,
    }
    assert decode(json.dumps(body).encode()) == body


def test_a_misspelt_field_is_named() -> None:
    with pytest.raises(BadRequest) as caught:
        parse({"user_seq": [], "kk": 3})
    assert caught.value.field == "kk"
