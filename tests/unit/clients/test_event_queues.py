"""Both queues of events: batches, back-pressure, refusals, and nothing lost without a word."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from freshet_client import (
    AsyncEventQueue,
    Event,
    EventQueue,
    FreshetError,
    QueueFull,
    QueueLimits,
    Refused,
    Unavailable,
)
from freshet_client.answers import Stored

AGES = 3600.0  # no batch is sent for its age
SMALL = QueueLimits(capacity=2, batch=2, max_age_s=AGES, pause_s=0.0)


class Receiver:
    """Takes batches as a gateway does; raises the errors that it was given, one a batch."""

    def __init__(self, *errors: Exception) -> None:
        self.batches: list[list[Event]] = []
        self.unsent: list[tuple[Event, FreshetError]] = []
        self.entered = threading.Event()
        self.free = threading.Event()  # cleared, a batch hangs
        self.free.set()
        self._errors = list(errors)

    def send(self, events: Sequence[Event]) -> Stored:
        self.entered.set()
        self.free.wait(60.0)
        if self._errors:
            raise self._errors.pop(0)
        self.batches.append(list(events))
        return Stored(accepted=len(events), duplicates=0, rejected=())

    async def send_async(self, events: Sequence[Event]) -> Stored:
        while not self.free.is_set():
            await asyncio.sleep(0)
        return self.send(events)

    def note(self, event: Event, error: FreshetError) -> None:
        self.unsent.append((event, error))


def views(number: int) -> list[Event]:
    return [Event("ann", str(index), "view") for index in range(number)]


def test_a_queue_sends_batches_in_order() -> None:
    receiver = Receiver()
    sent = views(5)
    limits = QueueLimits(capacity=10, batch=2, max_age_s=AGES)
    with EventQueue(receiver.send, limits, receiver.note) as queue:
        for event in sent:
            queue.put(event)
        assert queue.flush()
    assert [event for batch in receiver.batches for event in batch] == sent
    assert max(len(batch) for batch in receiver.batches) <= 2


def test_a_full_queue_refuses_an_event_and_keeps_the_others() -> None:
    receiver = Receiver()
    receiver.free.clear()
    sent = views(3)
    with EventQueue(receiver.send, SMALL, receiver.note) as queue:
        queue.put(sent[0])
        queue.put(sent[1])
        with pytest.raises(QueueFull, match="2 events wait"):
            queue.put(sent[2], timeout_s=0.0)
        receiver.free.set()
        queue.put(sent[2])  # waits until the batch was sent
    assert receiver.batches == [sent[:2], sent[2:]]


def test_events_wait_while_the_gateway_does_not_answer() -> None:
    receiver = Receiver(Unavailable("away"), Unavailable("away"))
    sent = views(2)
    with EventQueue(receiver.send, SMALL, receiver.note) as queue:
        for event in sent:
            queue.put(event)
        assert queue.flush()
    assert receiver.batches == [sent]
    assert receiver.unsent == []


def test_a_refused_batch_is_reported_and_the_next_is_sent() -> None:
    receiver = Receiver(Refused("authorization", "no such key", 401))
    sent = views(3)
    with EventQueue(receiver.send, SMALL, receiver.note) as queue:
        for event in sent:
            queue.put(event)
    assert [event for event, _ in receiver.unsent] == sent[:2]
    assert receiver.batches == [sent[2:]]


def test_an_unexpected_error_does_not_end_a_queue() -> None:
    """Such as httpx's RuntimeError after the shop closed its own client."""
    sent = views(3)
    for_thread, for_task = Receiver(RuntimeError("closed")), Receiver(RuntimeError("closed"))
    with EventQueue(for_thread.send, SMALL, for_thread.note) as queue:
        for event in sent:
            queue.put(event)

    async def visit() -> None:
        async with AsyncEventQueue(for_task.send_async, SMALL, for_task.note) as queue:
            for event in sent:
                await queue.put(event)

    asyncio.run(visit())
    for receiver in (for_thread, for_task):
        assert [event for event, _ in receiver.unsent] == sent[:2]
        assert str(receiver.unsent[0][1]) == "RuntimeError: closed"
        assert receiver.batches == [sent[2:]]


def test_a_queue_waits_as_long_as_the_gateway_asks() -> None:
    receiver = Receiver(Unavailable("later", 429, 3600.0))
    sent = views(2)
    queue = EventQueue(receiver.send, SMALL, receiver.note)
    for event in sent:
        queue.put(event)
    assert not queue.flush(timeout_s=0.2)
    queue.close(timeout_s=0.0)
    assert (receiver.batches, [event for event, _ in receiver.unsent]) == ([], sent)


def test_what_is_not_sent_when_a_queue_closes_is_reported() -> None:
    receiver = Receiver()
    receiver.free.clear()
    queue = EventQueue(receiver.send, SMALL, receiver.note)
    sent = views(2)
    for event in sent:
        queue.put(event)
    receiver.entered.wait(60.0)
    queue.close(timeout_s=0.0)
    assert [event for event, _ in receiver.unsent] == sent
    receiver.free.set()
    with pytest.raises(ValueError, match="closed"):
        queue.put(sent[0])


def test_an_event_that_is_not_json_fails_where_it_is_put() -> None:
    receiver = Receiver()
    wrong = Event("ann", "5", "rating", rating=float("inf"))
    queue = EventQueue(receiver.send, SMALL, receiver.note)
    with queue, pytest.raises(ValueError, match="JSON"):
        queue.put(wrong)
    assert receiver.batches == []


def test_the_asyncio_queue_keeps_the_same_promises() -> None:
    receiver = Receiver(Unavailable("away"), Refused("user_id", "no", 400))
    sent = views(5)

    async def visit() -> None:
        async with AsyncEventQueue(receiver.send_async, SMALL, receiver.note) as queue:
            receiver.free.clear()
            await queue.put(sent[0])
            await queue.put(sent[1])
            with pytest.raises(QueueFull):
                await queue.put(sent[2], timeout_s=0.0)
            receiver.free.set()
            for event in sent[2:]:
                await queue.put(event)
            assert await queue.flush()
        with pytest.raises(ValueError, match="closed"):
            await queue.put(sent[0])

    asyncio.run(visit())
    assert [event for event, _ in receiver.unsent] == sent[:2]
    assert receiver.batches == [sent[2:4], sent[4:]]


def test_a_cancelled_task_sends_what_waits() -> None:
    receiver = Receiver()
    sent = views(1)

    async def visit() -> None:
        queue = AsyncEventQueue(receiver.send_async, SMALL, receiver.note)
        await queue.put(sent[0])

    asyncio.run(visit())  # which cancels the tasks that are left
    assert receiver.batches == [sent]


def test_an_asyncio_queue_reports_what_it_could_not_send() -> None:
    receiver = Receiver()
    receiver.free.clear()
    sent = views(1)

    async def visit() -> None:
        queue = AsyncEventQueue(receiver.send_async, SMALL, receiver.note)
        await queue.put(sent[0])
        await queue.close(timeout_s=0.0)

    asyncio.run(visit())
    assert [event for event, _ in receiver.unsent] == sent
