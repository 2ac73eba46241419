"""When a batch of events is due, and what becomes of events that are not stored."""

from __future__ import annotations

import logging

import pytest

from freshet_client import Event, FreshetError, QueueLimits, Refused, calls
from freshet_client.answers import RejectedRecord, Stored
from freshet_client.waiting_events import WaitingEvents, report, report_rejected

LIMITS = QueueLimits(capacity=3, batch=2, max_age_s=1.0)
VIEWS = [Event("ann", str(number), "view") for number in range(3)]


def test_a_batch_is_due_when_it_is_full_or_old() -> None:
    waiting = WaitingEvents(LIMITS)
    assert waiting.due_in_s(10.0) is None
    assert waiting.add(VIEWS[0], 10.0)  # the sender must know when the first one is due
    assert waiting.due_in_s(10.25) == 0.75
    assert waiting.due_in_s(99.0) == 0.0
    assert waiting.add(VIEWS[1], 10.25)
    assert waiting.due_in_s(10.25) == 0.0


def test_a_batch_is_one_call() -> None:
    """What a first call stored must not be reported when a second one is refused."""
    waiting = WaitingEvents(QueueLimits(batch=5_000))
    for _ in range(1_200):
        waiting.add(VIEWS[0], 0.0)
    assert len(waiting.batch()) == 1_000
    waiting.settle(1_000)
    assert len(waiting.batch()) == 200
    large = WaitingEvents(QueueLimits())
    for _ in range(40):
        large.add(Event("ann", "5", "view", query="x" * 250_000), 0.0)
    (call,) = calls.send_events(large.batch())
    assert len(large.batch()) == 33
    assert call.content is not None


def test_a_batch_keeps_its_room_until_it_is_settled() -> None:
    waiting = WaitingEvents(LIMITS)
    for event in VIEWS:
        waiting.add(event, 0.0)
    assert waiting.batch() == waiting.batch() == (VIEWS[0], VIEWS[1])
    assert not waiting.has_room
    waiting.settle(2)
    assert waiting.has_room
    assert waiting.remove_all() == (VIEWS[2],)


def test_a_flush_makes_due_what_came_before_it() -> None:
    waiting = WaitingEvents(LIMITS)
    waiting.add(VIEWS[0], 0.0)
    number = waiting.flush()
    assert (waiting.due_in_s(0.0), waiting.is_settled(number)) == (0.0, False)
    waiting.settle(1)
    waiting.add(VIEWS[1], 0.0)
    assert (waiting.due_in_s(0.0), waiting.is_settled(number)) == (1.0, True)


def test_a_rejected_event_goes_to_the_callback() -> None:
    unsent: list[tuple[Event, FreshetError]] = []
    rejected = (RejectedRecord(index=1, field="rating", reason="wrong"),)
    stored = Stored(accepted=2, duplicates=0, rejected=rejected)
    report_rejected(VIEWS, stored, lambda event, error: unsent.append((event, error)))
    ((event, error),) = unsent
    assert event == VIEWS[1]
    assert isinstance(error, Refused)
    assert (error.field, error.reason) == ("rating", "wrong")


def test_without_a_callback_an_unsent_event_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        report(VIEWS[:1], Refused("rating", "wrong", 400), None)
    assert str(VIEWS[0].event_id) in caplog.text


def test_a_callback_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Event, error: FreshetError) -> None:
        raise KeyError(event.event_id)

    report(VIEWS, Refused("rating", "wrong", 400), fail)
    assert len(caplog.records) == 3
