"""What a question says of a stored history."""

from __future__ import annotations

import json

import pytest

from cron.past_event import KeptPast, PastEvent
from gateway.model.asked_history import asked_history
from gateway.model.questions import NO_HISTORY, history_json
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
    assert asked.unread == {one.item_id for one in EVENTS[:-max_history]}


def test_nothing_stored_is_an_empty_list() -> None:
    asked = asked_history((), max_history=3)
    assert (asked.elements, asked.unread) == (bytes(NO_HISTORY), frozenset())


def test_what_was_made_of_a_kept_history_is_kept_with_it() -> None:
    kept = KeptPast(EVENTS)
    asked = asked_history(kept, max_history=2)
    assert asked_history(kept, max_history=2) is asked
    assert asked_history(kept, max_history=1) == asked_history(EVENTS, max_history=1)
    assert asked_history(KeptPast(EVENTS), max_history=2) is not asked


@pytest.mark.parametrize("num_stored", [0, 2])
def test_a_session_comes_after_the_stored_history(num_stored: int) -> None:
    stored = asked_history(EVENTS[:num_stored], max_history=10).elements
    assert json.loads(bytes(history_json(stored))) == ELEMENTS[:num_stored]
    sent = json.loads(bytes(history_json(stored, [CLICKED, CLICKED])))
    assert sent == [*ELEMENTS[:num_stored], *[{"id": "9", "type": "click"}] * 2]
