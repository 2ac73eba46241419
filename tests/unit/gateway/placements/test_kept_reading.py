"""Values that are read again after a while, from a store that may fail."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cron.errors import Unavailable
from gateway.placements.kept_reading import MAX_AGE_S, RETRY_S, KeptReading


class Store:
    """A store with one number, and a clock that the test moves."""

    def __init__(self) -> None:
        self.number, self.num_reads, self.now_s = 1, 0, 1_000.0
        self.is_down = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.kept = KeptReading[int](self.read, unread=0, clock=lambda: self.now_s)

    def read(self) -> int:
        self.num_reads += 1
        self.may_answer.wait()
        if self.is_down:
            raise Unavailable("the store", where="here", why="it is down")
        return self.number

    def value(self) -> int:
        return asyncio.run(self.kept.get())


def test_what_was_read_is_kept_for_a_minute() -> None:
    store = Store()
    assert store.value() == 1
    store.number = 2
    store.now_s += MAX_AGE_S
    assert (store.value(), store.num_reads) == (1, 1)
    store.now_s += 1
    assert (store.value(), store.num_reads) == (2, 2)


def test_one_failed_read_keeps_freshness_and_is_tried_again_soon() -> None:
    """A failure once left lists without freshness for a minute, or answered 503."""
    store = Store()
    assert store.value() == 1
    store.is_down = True
    store.now_s += MAX_AGE_S + 1
    assert [store.value(), store.value()] == [1, 1]
    assert store.num_reads == 2, "not every call waits for a store that is down"
    store.is_down, store.number = False, 3
    store.now_s += RETRY_S + 1
    assert store.value() == 3


def test_a_store_that_is_down_from_the_start_has_no_value_yet() -> None:
    store = Store()
    store.is_down = True
    assert store.value() == 0
    store.is_down = False
    store.now_s += RETRY_S + 1
    assert store.value() == 1


def test_another_failure_is_raised_and_the_next_call_reads() -> None:
    numbers = iter([0, 2])
    kept = KeptReading[int](lambda: 4 // next(numbers), unread=0)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(kept.get())
    assert asyncio.run(kept.get()) == 2


def test_calls_during_a_reading_do_not_wait_for_it() -> None:
    store = Store()
    store.may_answer.clear()

    async def run() -> list[int]:
        first = asyncio.create_task(store.kept.get())
        while not store.num_reads:
            await asyncio.sleep(0)
        meanwhile = await store.kept.get()
        store.may_answer.set()
        return [meanwhile, await first]

    assert asyncio.run(run()) == [0, 1]
    assert store.num_reads == 1
