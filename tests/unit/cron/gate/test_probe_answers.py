"""Which answers of the endpoint count as the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.gate.probe_answers import difference


def items(*pairs: tuple[str, float]) -> dict[str, object]:
    return {
        "items": [
            {"id": name, "title": name.upper(), "score": score, "rating": 4.0}
            for name, score in pairs
        ]
    }


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"score": 3.91}, {"score": 3.9101, "model_version": 7}),
        ({"scores": [1.0, 2]}, {"scores": [1.0, 2.0]}),
        (items(("a", 9.0), ("b", 8.0)), items(("a", 9.004), ("b", 8.0))),
        (items(("a", 9.0), ("b", 8.999)), items(("b", 9.0), ("a", 8.999))),
        (items(("a", 9.0), ("b", 8.0)), items(("a", 9.0), ("c", 8.0))),
    ],
)
def test_answers_within_the_tolerance_are_the_same(expected: object, found: object) -> None:
    assert difference(expected, found) is None


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        ({"score": 3.91}, {"score": 3.95}, "answer.score: expected 3.91, found 3.95"),
        ({"score": 3.91}, {"refused": 503}, "answer.score: missing"),
        ({"score": 3.91}, {"score": 3.91, "more": 1}, "answer.more: not expected"),
        ({"score": 3.91}, {"score": True}, "answer.score"),
        ({"scores": [1.0, 2.0]}, {"scores": [1.0]}, "answer.scores"),
        ({"score": 1.0}, None, "answer"),
        (items(("a", 9.0), ("b", 8.0)), items(("b", 9.0), ("a", 8.0)), "score"),
        (
            items(("a", 9.0), ("b", 8.0)),
            items(("c", 9.0), ("b", 8.0)),
            "items[0].id: expected 'a', found 'c'",
        ),
        (items(("a", 9.0), ("b", 8.0)), items(("a", 9.0)), "expected '2 items'"),
        (items(("a", 9.0), ("b", 9.0)), items(("a", 9.0), ("a", 9.0)), "an item appears twice"),
        (
            {"items": [{"id": "a", "title": "A", "score": 1.0}]},
            {"items": [{"id": "a", "title": "B", "score": 1.0}]},
            "title",
        ),
    ],
)
def test_answers_that_differ_are_described(expected: object, found: object, told: str) -> None:
    text = difference(expected, found)
    assert text is not None
    assert told in text


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(-1e6, 1e6) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_answer_equals_itself(answer: object) -> None:
    assert difference(answer, answer) is None
