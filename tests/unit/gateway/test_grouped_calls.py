"""Calls that share one thread and one transaction."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from gateway.intake.grouped_calls import GroupedCalls

WAIT_S = 60.0


class Store:
    """Doubles numbers, when it is let; a negative one fails its group."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.is_let = threading.Event()

    def double(self, numbers: Sequence[int]) -> list[int]:
        self.groups.append([*numbers])
        assert self.is_let.wait(WAIT_S)
        if min(numbers) < 0:
            raise ValueError(min(numbers))
        return [2 * number for number in numbers]


async def ask_all(
    calls: GroupedCalls[int, int], store: Store, numbers: Sequence[int]
) -> list[asyncio.Task[int]]:
    """Ask for all numbers while the first is worked for; then let the store go on."""
    tasks = [asyncio.create_task(calls.take(number, size=abs(number))) for number in numbers]
    while not store.groups:
        await asyncio.sleep(0)
    store.is_let.set()
    await asyncio.wait(tasks)
    return tasks


def test_calls_that_wait_are_done_together_and_in_order() -> None:
    async def run() -> None:
        store = Store()
        calls = GroupedCalls(store.double, max_size=100)
        first = asyncio.create_task(calls.take(1, size=1))
        while not store.groups:
            await asyncio.sleep(0)
        tasks = await ask_all(calls, store, [2, 3, 4])
        assert [await task for task in (first, *tasks)] == [2, 4, 6, 8]
        assert store.groups == [[1], [2, 3, 4]]
        assert await calls.take(5, size=5) == 10

    asyncio.run(run())


def test_a_group_has_a_largest_size() -> None:
    async def run() -> None:
        store = Store()
        tasks = await ask_all(GroupedCalls(store.double, max_size=5), store, [9, 2, 3, 1, 7])
        assert [await task for task in tasks] == [18, 4, 6, 2, 14]
        assert store.groups == [[9], [2, 3], [1], [7]]

    asyncio.run(run())


def test_some_groups_are_at_work_at_once() -> None:
    """A call that comes while one group waits for the disk does not wait for that group."""

    async def run() -> None:
        store = Store()
        calls = GroupedCalls(store.double, max_size=100, at_once=2)
        tasks = []
        for number in (1, 2):
            tasks.append(asyncio.create_task(calls.take(number, size=1)))
            while len(store.groups) < number:
                await asyncio.sleep(0)
        tasks += await ask_all(calls, store, [3, 4])
        assert [await task for task in tasks] == [2, 4, 6, 8]
        assert store.groups == [[1], [2], [3, 4]]
        assert await calls.take(5, size=5) == 10

    asyncio.run(run())


def test_a_failure_is_that_of_its_group_alone() -> None:
    async def run() -> None:
        store = Store()
        tasks = await ask_all(GroupedCalls(store.double, max_size=5), store, [2, -3, 4])
        for task in tasks[:2]:
            with pytest.raises(ValueError, match="-3"):
                await task
        assert await tasks[2] == 8

    asyncio.run(run())


def test_a_call_that_was_given_up_disturbs_no_other() -> None:
    async def run() -> None:
        store = Store()
        calls = GroupedCalls(store.double, max_size=5)
        left = asyncio.create_task(calls.take(1, size=1))
        while not store.groups:
            await asyncio.sleep(0)
        left.cancel()
        (task,) = await ask_all(calls, store, [2])
        assert await task == 4
        assert store.groups == [[1], [2]]

    asyncio.run(run())
