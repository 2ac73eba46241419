"""Events serialised as columns: the same lines, and the same refusals, as one by one."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.records.event_lines import EventColumns, lines_of
from recommender.records.events import parse_event, to_json
from recommender.records.ids import MAX_ID_CHARS, are_plain_ids, is_plain_id
from recommender.records.record_fields import InvalidRecord
from recommender.records.record_times import EARLIEST, MAX_CLOCK_SKEW

NOW = datetime(2026, 11, 25, 12, 30, 0, 250_000, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ODD_IDS = ["ann@x.org", "a b", "é", '"', "a\\b", "null", "None", "", " ", "x" * 600, "\0", "a\n1"]
IDS = st.one_of(
    st.integers(0, 99).map("u{}".format),
    st.uuids().map(str),
    st.sampled_from([*ODD_IDS, "\ud800", "\u2028", "7" * MAX_ID_CHARS]),
    st.text(max_size=6),
)
TYPES = st.one_of(
    st.sampled_from(["view", "rating", "click", "", " ", "t" * 65, 'a"b', "è", "\0"]),
    st.text(max_size=4),
)
RATINGS = st.one_of(
    st.just(math.nan),
    st.sampled_from([4.0, 4.5, -0.0, 1e6, 1e6 + 1, math.inf, 0.1 + 0.2, 1e-7]),
    st.floats(),
)
LIMITS = [EARLIEST, NOW, NOW + MAX_CLOCK_SKEW]
NEAR_LIMITS = [at + timedelta(microseconds=step) for at in LIMITS for step in (-1, 0, 1)]
TIMES = st.one_of(
    st.sampled_from(NEAR_LIMITS),
    st.integers(0, 36 * 365 * 86_400 * 10**6).map(
        lambda us: EARLIEST - timedelta(days=365) + timedelta(microseconds=us)
    ),
).map(lambda at: (at - EPOCH) // timedelta(microseconds=1))
SHIFTS = [timedelta(0), timedelta(days=99, microseconds=7), timedelta(hours=-1)]
ROWS = st.lists(st.tuples(IDS, IDS, TYPES, RATINGS, TIMES), max_size=8)


def columns_of(rows: list[tuple[str, str, str, float, int]]) -> EventColumns:
    return EventColumns(
        event_ids=[f"e:{place}" for place in range(len(rows))],
        user_ids=[row[0] for row in rows],
        item_ids=[row[1] for row in rows],
        types=[row[2] for row in rows],
        ratings_C=np.array([row[3] for row in rows], np.float64),
        at_us_C=np.array([row[4] for row in rows], np.int64),
    )


def lines_one_by_one(columns: EventColumns, shift: timedelta) -> list[str | None]:
    """Parse and serialise each event alone; None where it is refused."""
    lines: list[str | None] = []
    for row, rating in enumerate(columns.ratings_C.tolist()):
        raw = {
            "event_id": columns.event_ids[row],
            "user_id": columns.user_ids[row],
            "item_id": columns.item_ids[row],
            "type": columns.types[row],
            "rating": None if math.isnan(rating) else rating,
            "at": (EPOCH + timedelta(microseconds=int(columns.at_us_C[row]))).isoformat(),
        }
        try:
            event = parse_event(raw, now=NOW, new_id=str)
        except InvalidRecord:
            lines.append(None)
        else:
            shifted = replace(event, at=event.at + shift)
            lines.append(to_json(shifted))
    return lines


@given(
    ROWS, st.sampled_from([timedelta(0), timedelta(days=99, microseconds=7), timedelta(hours=-1)])
)
def test_columns_give_the_lines_of_single_events(
    rows: list[tuple[str, str, str, float, int]], shift: timedelta
) -> None:
    columns = columns_of(rows)
    assert lines_of(columns, now=NOW, shift=shift) == lines_one_by_one(columns, shift)


def test_only_what_is_not_valid_has_no_line() -> None:
    rows = [(f"u{number}", "i1", "view", math.nan, 10**15 + number) for number in range(9)]
    rows[4] = ("null", "i1", "view", math.nan, 10**15)
    lines = lines_of(columns_of(rows), now=NOW)
    assert [place for place, line in enumerate(lines) if line is None] == [4]


@given(st.lists(IDS, max_size=5))
def test_ids_are_plain_together_if_each_is(ids: list[str]) -> None:
    assert are_plain_ids(ids) == all(map(is_plain_id, ids))


@pytest.mark.parametrize("ids", [["a1", "b2"], ["x"], ["a1\nb2"], ["7" * MAX_ID_CHARS], []])
def test_the_limits_of_plain_ids_are_the_same(ids: list[str]) -> None:
    assert are_plain_ids(ids) == all(map(is_plain_id, ids))
