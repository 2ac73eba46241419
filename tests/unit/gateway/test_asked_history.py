"""What a question says of a stored history."""

from __future__ import annotations

import json

import pytest

from cron.past_event import KeptPast, PastEvent
from gateway.model.asked_history import asked_history
from gateway.model.questions import NO_HISTORY, TopItemsQuestion
from recommender.requests.wire import Element, Name

EVENTS = [
    PastEvent(1_500_000, "a", "1", "rating", 0.5),
    PastEvent(2_000_000, "b", "2", "view", None),
    PastEvent(3_000_000, "c", 'an "id"', "view", None),
]
CLICKED = Element(name=Name(kind="id", value="9"), type="click")
ELEMENTS = [
    {"id": "1", "type": "rating", "rating": 0.5, "at": 1.5},
    {"id": "2", "type": "view", "at": 2.0},
    {"id": 'an "id"', "type": "view", "at": 3.0},
]


@pytest.mark.parametrize("max_history", [1, 2, 3, 10])
def test_a_history_is_divided_where_the_model_stops_reading(max_history: int) -> None:
    asked = asked_history(EVENTS, max_history=max_history)
    assert json.loads(asked.elements) == ELEMENTS[-max_history:]
    assert json.loads(bytes(asked.followed_by(()))) == _columns(ELEMENTS[-max_history:])
    assert asked.unread == {one.item_id for one in EVENTS[:-max_history]}


def test_nothing_stored_is_an_empty_list() -> None:
    asked = asked_history((), max_history=3)
    assert asked.elements == asked.columns == bytes(NO_HISTORY)
    assert asked.unread == frozenset()


def test_what_was_made_of_a_kept_history_is_kept_with_it() -> None:
    kept = KeptPast(EVENTS)
    asked = asked_history(kept, max_history=2)
    assert asked_history(kept, max_history=2) is asked
    assert asked_history(kept, max_history=1) == asked_history(EVENTS, max_history=1)
    assert asked_history(KeptPast(EVENTS), max_history=2) is not asked


@pytest.mark.parametrize("num_stored", [0, 2])
def test_a_session_comes_after_the_stored_history(num_stored: int) -> None:
    stored = asked_history(EVENTS[:num_stored], max_history=10)
    sent = json.loads(bytes(stored.followed_by([CLICKED, CLICKED])))
    assert sent == [*ELEMENTS[:num_stored], *[{"id": "9", "type": "click"}] * 2]


@pytest.mark.parametrize("events", [EVENTS, EVENTS[1:]], ids=["rated", "unrated"])
def test_columns_become_the_elements_that_they_were(events: list[PastEvent]) -> None:
    asked = asked_history(events, max_history=10)
    question = TopItemsQuestion(
        user_seq=asked.followed_by(()), k=3, exclude_seen=True, exclude=("7",)
    )
    assert question.has_columns
    in_elements = question.in_elements()
    assert not in_elements.has_columns
    assert bytes(in_elements.user_seq) == asked.elements
    assert in_elements.exclude == ("7",)


def _columns(elements: list[dict[str, object]]) -> dict[str, list[object]]:
    fields = ["id", "type", "rating", "at"] if any("rating" in one for one in elements) else []
    return {name: [one.get(name) for one in elements] for name in fields or ["id", "type", "at"]}
