"""The line before the model: so many at once, the others wait, and who would wait too long hears it at once."""

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
    """Calls that hold their turn until they are let go."""

    def __init__(self, line: WaitingQueue) -> None:
        self._line = line
        self.num_at_work = self.most_at_work = 0
        self.go = asyncio.Event()

    async def call(self) -> None:
        async with self._line.turn():
            self.num_at_work += 1
            self.most_at_work = max(self.most_at_work, self.num_at_work)
            await self.go.wait()
            self.num_at_work -= 1


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_no_more_work_at_once_than_agreed_and_all_have_their_turn() -> None:
    async def work() -> None:
        calls = Calls(WaitingQueue(at_once=3, max_wait_s=LONG_S))
        tasks = [asyncio.create_task(calls.call()) for _ in range(20)]
        await settle()
        assert calls.num_at_work == 3
        calls.go.set()
        await asyncio.gather(*tasks)
        assert calls.most_at_work == 3

    run(work)


def test_who_waits_longer_than_allowed_is_refused_and_the_others_go_on() -> None:
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


def test_who_would_wait_too_long_by_the_pace_so_far_is_refused_at_once() -> None:
    """With a patience of a minute: nothing here waits it out."""

    async def work() -> None:
        line = WaitingQueue(at_once=1, max_wait_s=LONG_S)
        line._work_s = LONG_S / 2  # so long did calls take
        calls = Calls(line)
        at_work, waiting = asyncio.create_task(calls.call()), asyncio.create_task(calls.call())
        await settle()
        patient = asyncio.create_task(calls.call())
        await settle()
        with pytest.raises(Overloaded):
            await calls.call()
        calls.go.set()
        await asyncio.gather(at_work, waiting, patient)

    run(work)


def test_a_call_that_fails_or_is_cancelled_gives_its_turn_back() -> None:
    async def work() -> None:
        line = WaitingQueue(at_once=1, max_wait_s=LONG_S)
        with pytest.raises(ValueError, match="broken"):
            async with line.turn():
                raise ValueError("broken")
        calls = Calls(line)
        at_work, waiting = asyncio.create_task(calls.call()), asyncio.create_task(calls.call())
        await settle()
        waiting.cancel()
        at_work.cancel()
        await asyncio.gather(at_work, waiting, return_exceptions=True)
        calls.go.set()
        await calls.call()

    run(work)
