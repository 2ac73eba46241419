"""Slates: what is written is read back, and anything else is refused with its field."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.epoch import moment
from cron.slates.slate_tables import slates_of, table_of
from recommender.records.events import from_json, to_json
from recommender.records.ids import wrong_id
from recommender.records.record_fields import InvalidRecord
from recommender.records.slates import MAX_SLATE_ITEMS, Slate
from recommender.requests.wire import MAX_K
from tests.contracts.records import slate

IDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20)
GOOD_IDS = IDS.filter(lambda text: wrong_id(text) is None)
TEXTS = GOOD_IDS.filter(lambda text: bool(text.strip()))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
CHOICES = st.tuples(
    GOOD_IDS,
    st.none() | st.floats(1e-300, 1.0),
    st.none() | FINITE,
    st.none() | TEXTS,
    st.none() | st.integers(0, MAX_SLATE_ITEMS),
)
TIMES = st.integers(700_000_000_000_000, 4_000_000_000_000_000).map(moment)
SLATES = st.builds(
    lambda chosen, has_scores, is_drafted, is_explored, **values: Slate(
        items=tuple(one[0] for one in chosen),
        propensities=tuple(one[1] for one in chosen),
        scores=tuple(one[2] for one in chosen) if has_scores else None,
        teams=tuple(one[3] for one in chosen) if is_drafted else None,
        greedy_ranks=tuple(one[4] for one in chosen) if is_explored else None,
        **values,
    ),
    is_drafted=st.booleans(),
    is_explored=st.booleans(),
    chosen=st.lists(CHOICES, max_size=5),
    has_scores=st.booleans(),
    event_id=GOOD_IDS,
    user_id=st.none() | GOOD_IDS,
    session_id=st.none() | GOOD_IDS,
    placement=st.none() | TEXTS,
    policy=TEXTS,
    version=st.none() | st.integers(0, 2**31 - 1),
    fallback=st.booleans(),
    arm=st.none() | TEXTS,
    at=TIMES,
)
REFUSED: tuple[tuple[str, object, str], ...] = (
    ("event_id", "", "event_id"),
    ("event_id", "null", "event_id"),
    ("user_id", 17, "user_id"),
    ("user_id", "a\nb", "user_id"),
    ("items", "i1", "items"),
    ("items", ["i1", ""], "items[1]"),
    ("items", [1], "items[0]"),
    ("items", ["i"] * (MAX_SLATE_ITEMS + 1), "items"),
    ("greedy_ranks", [1, 2], "greedy_ranks"),
    ("greedy_ranks", "1", "greedy_ranks"),
    ("greedy_ranks", [None, -1, 2], "greedy_ranks[1]"),
    ("greedy_ranks", [None, 1, True], "greedy_ranks[2]"),
    ("greedy_ranks", [None, 1, MAX_SLATE_ITEMS + 1], "greedy_ranks[2]"),
    ("propensities", [1.0], "propensities"),
    ("propensities", None, "propensities"),
    ("propensities", [None, 0, 1.0], "propensities[1]"),
    ("propensities", [None, 1.5, 1.0], "propensities[1]"),
    ("propensities", [None, True, 1.0], "propensities[1]"),
    ("propensities", [None, "1", 1.0], "propensities[1]"),
    ("scores", [1.0], "scores"),
    ("scores", [None, "1", 1.0], "scores[1]"),
    ("policy", None, "policy"),
    ("policy", "x" * 65, "policy"),
    ("version", -1, "version"),
    ("version", 1.5, "version"),
    ("version", True, "version"),
    ("fallback", None, "fallback"),
    ("fallback", 0, "fallback"),
    ("placement", "", "placement"),
    ("arm", 3, "arm"),
    ("session_id", "", "session_id"),
    ("teams", ["a"], "teams"),
    ("teams", ["a", None, ""], "teams[2]"),
    ("at", "2026-01-01T00:00:00", "at"),
    ("at", None, "at"),
    ("mood", "good", "mood"),
)


@given(made=SLATES)
def test_what_is_written_is_read_back_equal(made: Slate) -> None:
    line = to_json(made)
    assert from_json(line) == made
    assert "\n" not in line


@given(made=st.lists(SLATES, max_size=4))
def test_rows_of_a_segment_are_the_slates(made: list[Slate]) -> None:
    expected = sorted(made, key=lambda one: one.at)
    assert slates_of(table_of(made)) == expected


def test_the_line_has_the_fields_of_the_record() -> None:
    assert json.loads(to_json(slate(7, user_id=None))) == {
        "kind": "slate",
        "event_id": "s000007",
        "user_id": None,
        "placement": "home",
        "items": ["pinned", "i7", "日本"],
        "propensities": [None, 0.25, 1.0],
        "policy": "greedy",
        "version": 7,
        "fallback": False,
        "arm": None,
        "at": "2026-01-01T00:00:07+00:00",
        "scores": [None, 2.5, -0.875],
    }


@pytest.mark.parametrize(("name", "value", "field"), REFUSED)
def test_a_wrong_field_is_named(name: str, value: object, field: str) -> None:
    values = json.loads(to_json(slate(7))) | {name: value}
    with pytest.raises(InvalidRecord) as refused:
        from_json(json.dumps(values))
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["event_id", "items", "propensities", "policy", "fallback", "at"])
def test_a_missing_field_is_refused(name: str) -> None:
    values = json.loads(to_json(slate(7)))
    del values[name]
    with pytest.raises(InvalidRecord):
        from_json(json.dumps(values))


def test_the_longest_answer_fits_into_a_slate() -> None:
    assert MAX_SLATE_ITEMS >= MAX_K
    items = tuple(f"i{number}" for number in range(MAX_K))
    made = replace(slate(1), items=items, propensities=(1.0,) * MAX_K, scores=(-1 / 3,) * MAX_K)
    assert from_json(to_json(made)) == made


def test_slates_from_before_there_were_scores_have_none() -> None:
    old = json.loads(to_json(slate(1)))
    del old["scores"]
    assert from_json(json.dumps(old)) == replace(slate(1), scores=None)
    assert "scores" not in json.loads(to_json(replace(slate(1), scores=None)))
