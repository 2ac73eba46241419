"""Records: which are accepted, which are refused and why, and that they read back equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.records.event_details import DETAILS
from recommender.records.events import (
    MAX_RECORD_BYTES,
    MAX_TITLE_CHARS,
    Event,
    Item,
    from_json,
    parse_event,
    parse_item,
    to_json,
)
from recommender.records.ids import MAX_ID_CHARS, wrong_id
from recommender.records.record_fields import InvalidRecord
from recommender.records.record_times import EARLIEST, parse_time

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
EVENT: dict[str, object] = {
    "event_id": "e1",
    "user_id": "u",
    "item_id": "i",
    "type": "view",
    "at": "2026-11-25T11:00:00Z",
}
ITEM: dict[str, object] = {"event_id": "e2", "item_id": "i", "title": "T"}

ids = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40)
ids = ids.filter(lambda text: wrong_id(text) is None)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
times = st.datetimes(
    EARLIEST.replace(tzinfo=None), NOW.replace(tzinfo=None), timezones=st.just(UTC)
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def event(**changed: object) -> Event:
    return parse_event({**EVENT, **changed}, now=NOW, new_id=lambda: "new")


def item(**changed: object) -> Item:
    return parse_item({**ITEM, **changed}, now=NOW, new_id=lambda: "new")


def refusal_of(parse: Callable[[], object]) -> InvalidRecord | None:
    try:
        parse()
    except InvalidRecord as refusal:
        return refusal
    return None


def test_an_event_is_accepted_as_sent() -> None:
    at = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)
    assert event(type="rating", rating=4) == Event(
        event_id="e1", user_id="u", item_id="i", type="rating", at=at, rating=4.0
    )


def test_missing_fields_get_defaults() -> None:
    assert (
        parse_event(
            {"user_id": "u", "item_id": "i", "type": "view"}, now=NOW, new_id=lambda: "new"
        ).event_id
        == "new"
    )
    assert event(at=None).at == NOW
    assert event(event_id=None).event_id == "new"
    assert item() == Item(event_id="e2", item_id="i", title="T", at=NOW)


def test_a_number_is_the_same_id_as_its_digits() -> None:
    assert event(user_id=17).user_id == event(user_id="17").user_id == "17"


def test_an_id_is_taken_literally() -> None:
    assert event(user_id=" 17 ").user_id == " 17 "
    assert event(user_id="日本🎬").user_id == "日本🎬"


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "   ",
        True,
        17.0,
        ["a"],
        {},
        "x" * (MAX_ID_CHARS + 1),
        "a\0b",
        "a\nb",
        "a\u2028b",
        "null",
        " undefined ",
        "\ud800",
        pytest.param(10**600, id="600 digits"),
        pytest.param(10**5000, id="5000 digits"),
    ],
)
@pytest.mark.parametrize("name", ["user_id", "item_id"])
def test_a_bad_id_is_refused_by_its_field(name: str, bad: object) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        event(**{name: bad})
    assert refusal.value.field == name
    assert refusal.value.reason.encode()  # can be sent


@pytest.mark.parametrize(
    "rating", ["4", True, float("nan"), float("inf"), 10**400, [4], {}, 1.1e6, -1e30]
)
def test_a_rating_is_a_number_within_bounds(rating: object) -> None:
    with pytest.raises(
        InvalidRecord, match=r"rating: found .*, expected a number from -1,000,000 to 1,000,000"
    ):
        event(type="rating", rating=rating)


def test_a_rating_event_needs_a_rating() -> None:
    with pytest.raises(InvalidRecord, match=r'because "type" is "rating"'):
        event(type="rating")
    assert event(type="purchase", rating=5).rating == 5.0
    assert event(type="purchase").rating is None


@pytest.mark.parametrize("bad", [None, "", 3, "x" * 65])
def test_a_type_is_a_short_text(bad: object) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        event(type=bad)
    assert refusal.value.field == "type"


def test_a_misspelt_field_is_noticed() -> None:
    with pytest.raises(
        InvalidRecord,
        match=(
            r"ratng: found an unknown field, expected one of at, currency, dwell_s, event_id, "
            r"item_id, quantity, query, rating, recommendation_id, type, user_id, value"
        ),
    ):
        event(ratng=4)


@pytest.mark.parametrize("raw", [None, [], "text", 3, True])
def test_a_record_is_an_object(raw: object) -> None:
    for parse in (parse_event, parse_item):
        with pytest.raises(InvalidRecord, match=r"record: found .* expected a JSON object"):
            parse(raw, now=NOW, new_id=lambda: "new")


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ("2026-11-25T11:00:00Z", datetime(2026, 11, 25, 11, tzinfo=UTC)),
        ("2026-11-25T12:00:00+01:00", datetime(2026, 11, 25, 11, tzinfo=UTC)),
        ("2026-11-25T11:00:00", datetime(2026, 11, 25, 11, tzinfo=UTC)),
        ("2026-11-25 11:00:00.000001", datetime(2026, 11, 25, 11, 0, 0, 1, tzinfo=UTC)),
        ("2026-11-25", datetime(2026, 11, 25, tzinfo=UTC)),
        ("20261125", datetime(2026, 11, 25, tzinfo=UTC)),
        (881250949, datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC)),
        (881250949.5, datetime(1997, 12, 4, 15, 55, 49, 500_000, tzinfo=UTC)),
        ("881250949", datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC)),
        (" 881250949.0 ", datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC)),
        # The end of the allowed skew.
        ("2026-11-25T12:05:00Z", datetime(2026, 11, 25, 12, 5, tzinfo=UTC)),
        ("1990-01-01", EARLIEST),
    ],
)
def test_times_that_are_accepted(raw: object, at: datetime) -> None:
    parsed = parse_time(raw, now=NOW)
    assert parsed == at
    assert parsed.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        (0, "after 1990"),
        ("1970-01-01", "after 1990"),
        (-5, "after 1990"),
        ("2026-11-25T12:05:01Z", "not after the present"),
        ("2999-01-01", "not after the present"),
        (1764072000000, "milliseconds"),
        ("1764072000000", "milliseconds"),
        ("yesterday", "ISO 8601"),
        ("", "ISO 8601"),
        (True, "ISO 8601"),
        ([], "ISO 8601"),
        (float("nan"), "ISO 8601"),
        (float("inf"), "ISO 8601"),
        (10**400, "ISO 8601"),
        ("9" * 5000, "ISO 8601"),
        ("2026-13-01", "ISO 8601"),
        ("0001-01-01T00:00:00+14:00", "ISO 8601"),
        ("\ud800", "ISO 8601"),
    ],
)
def test_times_that_are_refused(raw: object, hint: str) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        parse_time(raw, now=NOW)
    assert refusal.value.field == "at"
    assert hint in refusal.value.reason
    assert len(refusal.value.reason) < 250


def test_an_item_keeps_all_its_fields() -> None:
    known = item(
        text="long",
        attributes={"genre": ["Comedy", "Crime"], "year": 1995, "brand": "x"},
        images=["https://shop.example/a.jpg"],
        hidden=True,
    )
    assert known.images == ("https://shop.example/a.jpg",)
    assert known.attributes == {"genre": ("Comedy", "Crime"), "year": 1995.0, "brand": "x"}
    assert known.hidden
    assert known.text == "long"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"title": None}, "title"),
        ({"title": " "}, "title"),
        ({"title": "T" + " " * MAX_TITLE_CHARS}, "title"),
        ({"text": 3}, "text"),
        ({"text": "a\0"}, "text"),
        ({"hidden": 1}, "hidden"),
        ({"hidden": None}, "hidden"),
        ({"attributes": []}, "attributes"),
        ({"attributes": {"a": True}}, "attributes.a"),
        ({"attributes": {"a": None}}, "attributes.a"),
        ({"attributes": {"a": {"b": 1}}}, "attributes.a"),
        ({"attributes": {"a": ["x", 1]}}, "attributes.a"),
        ({"attributes": {"a": float("nan")}}, "attributes.a"),
        ({"attributes": {"a": 10**400}}, "attributes.a"),
        ({"images": "https://shop.example/a.jpg"}, "images"),
        ({"images": ["https://shop.example/a.jpg", 3]}, "images[1]"),
        ({"item_id": ""}, "item_id"),
        ({"rating": 3}, "rating"),
    ],
)
def test_a_bad_item_is_refused_by_its_field(changed: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        item(**changed)
    assert refusal.value.field == field


def test_an_item_has_a_maximum_size() -> None:
    assert len(to_json(item(text="x" * (MAX_RECORD_BYTES - 200))).encode()) <= MAX_RECORD_BYTES
    with pytest.raises(InvalidRecord, match=r"record: found .* expected at most 262,144 bytes"):
        item(text="🎬" * (MAX_RECORD_BYTES // 4))
    with pytest.raises(InvalidRecord, match="at most 262,144 bytes"):
        item(attributes={f"a{number}": "x" * 1000 for number in range(300)})


def test_a_hostile_field_name_is_shortened_in_the_reason() -> None:
    with pytest.raises(InvalidRecord) as refusal:
        event(**{"\ud800\n" + "x" * 10_000: 1})
    assert refusal.value.reason.encode()
    assert len(refusal.value.reason) < 300


@settings(deadline=None)  # other suites may share the cores
@given(event_id=ids, user_id=ids, item_id=ids, type_=ids, at=times, rating=st.none() | numbers)
def test_an_event_reads_back_equal(
    event_id: str, user_id: str, item_id: str, type_: str, at: datetime, rating: float | None
) -> None:
    record = Event(
        event_id=event_id, user_id=user_id, item_id=item_id, type=type_, at=at, rating=rating
    )
    line = to_json(record)
    assert "\n" not in line
    fields = {"kind": "event", **json.loads(line)}
    assert line == json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    assert from_json(line) == record


@settings(deadline=None)  # other suites may share the cores
@given(
    title=ids,
    text=st.none() | texts,
    at=times,
    hidden=st.booleans(),
    attributes=st.dictionaries(
        texts, texts | numbers | st.lists(texts, max_size=3).map(tuple), max_size=4
    ),
    images=st.sampled_from([(), ("https://a.example/1",), ("file:///b", "artifact:pictures/c")]),
)
def test_an_item_reads_back_equal(
    title: str,
    text: str | None,
    at: datetime,
    hidden: bool,
    attributes: dict[str, str | float | tuple[str, ...]],
    images: tuple[str, ...],
) -> None:
    record = Item(
        event_id="e",
        item_id="i",
        title=title,
        text=text,
        at=at,
        hidden=hidden,
        attributes=attributes,
        images=images,
    )
    assert from_json(to_json(record)) == record


@settings(deadline=None)  # other suites may share the cores
@given(raw=json_values)
def test_any_json_is_accepted_or_refused_with_a_plain_reason(raw: object) -> None:
    for parse in (parse_event, parse_item):
        refusal = refusal_of(partial(parse, raw, now=NOW, new_id=lambda: "new"))
        assert refusal is not None  # a random value is never a record
        assert refusal.reason.encode()


@settings(deadline=None)  # other suites may share the cores
@given(field=st.sampled_from(sorted({*EVENT, "rating", *DETAILS})), value=json_values)
def test_any_value_in_a_field_is_accepted_or_refused_by_name(field: str, value: object) -> None:
    refusal = refusal_of(lambda: event(**{field: value}))
    if refusal is None:
        parsed = event(**{field: value})
        assert from_json(to_json(parsed)) == parsed
    else:
        assert refusal.field == field
        assert len(refusal.reason) < 400


@settings(deadline=None)  # other suites may share the cores
@given(at=times, offset=st.integers(-12 * 60, 14 * 60))
def test_a_time_is_the_same_moment_in_every_zone(at: datetime, offset: int) -> None:
    there = at.astimezone(timezone(timedelta(minutes=offset)))
    assert parse_time(there.isoformat(), now=NOW) == at
