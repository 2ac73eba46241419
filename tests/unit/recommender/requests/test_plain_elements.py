"""Elements that are read all together equal those that are examined one by one."""

from __future__ import annotations

import math

import pytest

from recommender.requests.body import read_history
from recommender.requests.plain_elements import plain_elements
from recommender.requests.wire import BadRequest, Element, Name

PLAIN: list[dict[str, object]] = [
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


def test_plain_elements_are_read_together() -> None:
    found = plain_elements(PLAIN, earliest_s=1e9, latest_s=2e9)
    assert found == (
        Element(Name("id", "7"), "rating", 4.0, 1_700_000_000.5),
        Element(Name("id", "8"), "view"),
        Element(Name("id", "a/b"), "hummed", at_s=1_700_000_001.0),
    )
    assert all(type(one) is Element for one in found)
    assert read_history(PLAIN, "user_seq", limit=9) == found


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_history_with_another_element_is_the_same(odd: object) -> None:
    alone = read_history([odd], "user_seq", limit=9)
    plain = read_history(PLAIN, "user_seq", limit=9)
    assert plain_elements([*PLAIN, odd], earliest_s=1e9, latest_s=2e9) is None
    assert read_history([*PLAIN, odd], "user_seq", limit=9) == (*plain, *alone)


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_element_is_named_among_plain_ones(bad: object) -> None:
    with pytest.raises(BadRequest, match=r"user_seq\[3\]"):
        read_history([*PLAIN, bad], "user_seq", limit=9)


def test_times_end_before_the_latest() -> None:
    last = [{"id": "7", "type": "view", "at": 2e9}]
    assert plain_elements(last, earliest_s=1e9, latest_s=2e9) is None
    assert plain_elements(last, earliest_s=2e9, latest_s=3e9) is not None
