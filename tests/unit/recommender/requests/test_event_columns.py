"""Histories in columns equal those whose elements are examined one by one."""

from __future__ import annotations

import math

import pytest

from recommender.requests.batch_work import Work
from recommender.requests.body import parse, read_history
from recommender.requests.event_columns import EVENT_FIELDS, columns_of_objects, plain_columns
from recommender.requests.wire import BadRequest, Busy, Element, History, Name, TopRequest

PLAIN: list[object] = [
    {"id": "7", "type": "rating", "rating": 4.0, "at": 1_700_000_000.5},
    {"id": "8", "type": "view"},
    {"id": "a/b", "type": "hummed", "at": 1_700_000_001.0},
]
ODD: list[object] = [
    "7",
    {"id": "7"},
    {"id": 7, "type": "view"},
    {"text": "space pirates", "type": "view"},
    {"id": "7", "type": "view", "rating": 3},
    {"id": "7", "type": "view", "rating": None},
    {"id": "7", "type": "view", "at": "2024-05-01T12:00:00Z"},
    {"id": "é", "type": "view"},
    {"id": "x" * 65, "type": "view"},
]
BAD: list[object] = [
    {"id": "", "type": "view"},
    {"id": "7", "type": " "},
    {"id": "7", "type": "x" * 65},
    {"id": "7", "type": ["view"]},
    {"id": "7", "type": "view", "rating": math.nan},
    {"id": "7", "type": "view", "rating": [4.0]},
    {"id": "7", "type": "view", "at": 5.0},
    {"id": "7", "type": "view", "at": math.inf},
    {"id": "7", "type": "view", "mood": "good"},
]


EARLIEST_S, LATEST_S = 1e9, 2e9


def test_plain_elements_are_read_together() -> None:
    found = _read_plain(PLAIN)
    assert found is not None
    assert [*found] == [
        Element(Name("id", "7"), "rating", 4.0, 1_700_000_000.5),
        Element(Name("id", "8"), "view"),
        Element(Name("id", "a/b"), "hummed", at_s=1_700_000_001.0),
    ]
    assert read_history(PLAIN, "user_seq", limit=9) == found


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_history_with_another_element_is_the_same(odd: object) -> None:
    alone = read_history([odd], "user_seq", limit=9)
    plain = read_history(PLAIN, "user_seq", limit=9)
    assert _read_plain([*PLAIN, odd]) is None
    assert [*read_history([*PLAIN, odd], "user_seq", limit=9)] == [*plain, *alone]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_element_is_named_among_plain_ones(bad: object) -> None:
    with pytest.raises(BadRequest, match=r"user_seq\[3\]"):
        read_history([*PLAIN, bad], "user_seq", limit=9)


def test_times_end_before_the_latest() -> None:
    columns: dict[str, list[object]] = {"id": ["7"], "type": ["view"], "at": [2e9]}
    assert plain_columns(columns, earliest_s=1e9, latest_s=2e9) is None
    assert plain_columns(columns, earliest_s=2e9, latest_s=3e9) is not None


@pytest.mark.parametrize("given", [PLAIN, *([*PLAIN, one] for one in ODD + BAD)], ids=repr)
def test_columns_are_what_their_elements_are(given: list[object]) -> None:
    objects = [one for one in given if isinstance(one, dict) and one.keys() <= {*EVENT_FIELDS}]
    columns: dict[str, object] = {name: [one.get(name) for one in objects] for name in EVENT_FIELDS}
    asked: list[object] = [{name: one.get(name) for name in EVENT_FIELDS} for one in objects]
    assert _outcome(columns) == _outcome(asked)


@pytest.mark.parametrize("left_out", [{"rating"}, {"at"}, {"rating", "at"}])
def test_columns_of_ratings_and_times_may_be_missing(left_out: set[str]) -> None:
    columns = {"id": ["7"], "type": ["view"], "rating": [4.5], "at": [1.5e9]}
    given = {name: values for name, values in columns.items() if name not in left_out}
    parsed = parse({"user_seq": given, "k": 1})
    assert isinstance(parsed, TopRequest)
    (only,) = parsed.history
    assert only.rating == (None if "rating" in left_out else 4.5)
    assert only.at_s == (None if "at" in left_out else 1.5e9)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"type": None}, "user_seq.type"),
        ({"type": ["view"]}, "user_seq.type"),
        ({"id": "7"}, "user_seq.id"),
        ({"rating": [4.0]}, "user_seq.rating"),
        ({"mood": ["good", "bad"]}, "user_seq.mood"),
        ({"id": ["7"] * 100_001}, "user_seq.id"),
        ({"id": ["7", ""]}, "user_seq[1].id"),
        ({"at": [1.5e9, 3.0]}, "user_seq[1].at"),
    ],
)
def test_wrong_columns_are_refused_by_name(wrong: dict[str, object], field: str) -> None:
    columns = {"id": ["7", "8"], "type": ["view", "view"], **wrong}
    with pytest.raises(BadRequest) as refused:
        parse({"user_seq": columns, "k": 1})
    assert refused.value.field == field


def test_the_elements_of_columns_count_as_work() -> None:
    many = {"id": ["7"] * 90_000, "type": ["view"] * 90_000}
    work = Work()
    for _ in range(2):
        work.take({"user_seq": many, "k": 1})
    with pytest.raises(Busy):
        work.take({"user_seq": many, "k": 1})


def _read_plain(listed: list[object]) -> History | None:
    columns = columns_of_objects(listed)
    if columns is None:
        return None
    return plain_columns(columns, earliest_s=EARLIEST_S, latest_s=LATEST_S)


def _outcome(history: object) -> object:
    """Return the elements of a history, or the field that is refused."""
    try:
        parsed = parse({"user_seq": history, "k": 1})
    except BadRequest as error:
        return error.field
    assert isinstance(parsed, TopRequest)
    return [*parsed.history]
