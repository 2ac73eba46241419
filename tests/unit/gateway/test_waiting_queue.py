"""The queue before the model: a few calls work, others wait, the rest are refused at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.waiting_queue import Overloaded, WaitingQueue

LONG_S = 60.0


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


class Calls:
    """Calls that hold their turn until `go` is set."""

    def __init__(self, queue: WaitingQueue) -> None:
        self._queue = queue
        self.num_at_work = self.most_at_work = 0
        self.go = asyncio.Event()

    async def call(self) -> None:
        async with self._queue.turn():
            self.num_at_work += 1
            self.most_at_work = max(self.most_at_work, self.num_at_work)
            await self.go.wait()
            self.num_at_work -= 1


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_at_most_the_agreed_number_of_calls_work_at_once() -> None:
    async def work() -> None:
        calls = Calls(WaitingQueue(at_once=3, max_wait_s=LONG_S))
        tasks = [asyncio.create_task(calls.call()) for _ in range(20)]
        await settle()
        assert calls.num_at_work == 3
        calls.go.set()
        await asyncio.gather(*tasks)
        assert calls.most_at_work == 3

    run(work)


def test_a_call_that_waits_too_long_is_refused() -> None:
    async def work() -> None:
        calls = Calls(WaitingQueue(at_once=1, max_wait_s=0.01))
        first = asyncio.create_task(calls.call())
        await settle()
        with pytest.raises(Overloaded, match=r"longer than 0\.01 s for its turn; try again in 1 s"):
            await calls.call()
        calls.go.set()
        await first
        await calls.call()

    run(work)


def test_a_call_that_would_wait_too_long_is_refused_at_once() -> None:
    """The longest wait is a minute, and nothing here waits that long."""

    async def work() -> None:
        queue = WaitingQueue(at_once=1, max_wait_s=LONG_S, work_s=LONG_S / 2)
        calls = Calls(queue)
        at_work, waiting = asyncio.create_task(calls.call()), asyncio.create_task(calls.call())
        await settle()
        patient = asyncio.create_task(calls.call())
        await settle()
        with pytest.raises(Overloaded):
            await calls.call()
        calls.go.set()
        await asyncio.gather(at_work, waiting, patient)

    run(work)


def test_a_failed_or_cancelled_call_frees_its_turn() -> None:
    async def work() -> None:
        queue = WaitingQueue(at_once=1, max_wait_s=LONG_S)
        with pytest.raises(ValueError, match="broken"):
            async with queue.turn():
                raise ValueError("broken")
        calls = Calls(queue)
        at_work, waiting = asyncio.create_task(calls.call()), asyncio.create_task(calls.call())
        await settle()
        waiting.cancel()
        at_work.cancel()
        await asyncio.gather(at_work, waiting, return_exceptions=True)
        calls.go.set()
        await calls.call()

    run(work)
