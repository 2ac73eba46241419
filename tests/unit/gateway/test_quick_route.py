"""Queries that a quick route reads itself: it must read them as FastAPI does, or not at all."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls.recommendations import router
from gateway.http.query import limits_of_counts, names_of_texts
from gateway.http.quick_route import QuickRoute, plain_values

(RECOMMEND,) = (
    route
    for route in router.routes
    if isinstance(route, QuickRoute) and route.path.startswith("/v1/recommendations/")
)
LIMITS, TEXTS = limits_of_counts(RECOMMEND), names_of_texts(RECOMMEND)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (b"", {}),
        (b"k=10", {"k": 10}),
        (b"placement=home", {"placement": "home"}),
        (b"placement=Mail_2-a&k=5", {"placement": "Mail_2-a", "k": 5}),
        (b"placement=7", {"placement": "7"}),
    ],
)
def test_counts_and_placements_take_the_quick_way(query: bytes, values: object) -> None:
    assert plain_values(query, LIMITS, TEXTS) == values


@pytest.mark.parametrize(
    "query",
    [b"k=0", b"k=1001", b"k=x", b"k=1&k=2", b"placement=a%20b", b"placement=", b"placement=a+b",
     b"placement=a&placement=b", b"filter=genre:War", b"exclude_seen=false", b"other=1", b"k=1&",
     b"key=abc", b"placement=" + b"x" * 65],
)  # fmt: skip
def test_every_other_query_takes_the_whole_way(query: bytes) -> None:
    assert plain_values(query, LIMITS, TEXTS) is None


@given(st.text(alphabet="kplacemnt=&12-_ %+é", max_size=40))
def test_a_quick_query_has_the_values_that_urllib_reads(text: str) -> None:
    values = plain_values(text.encode(), LIMITS, TEXTS)
    if values is not None:
        assert {name: str(value) for name, value in values.items()} == dict(parse_qsl(text))
