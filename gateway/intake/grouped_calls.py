"""Calls done in groups: those that arrive while one group is being done form the next.

A durable transaction takes milliseconds, however small it is, and a thread for each call would take
longer than the call's own work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from cron.local.shared_turns import num_together

Call = TypeVar("Call")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _PendingCall(Generic[Call, Result]):
    call: Call
    size: int
    result: asyncio.Future[Result]


class GroupedCalls(Generic[Call, Result]):
    """Does calls in their order of arrival, in a thread. Used in one event loop.

    `do` returns one result for each call. When it raises, all calls of that group raise it: `do`
    must then have done nothing. A call larger than `max_size` is a group of its own. `at_once`
    groups may be at work: one then waits for the disk while another has the processor.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Call]], Sequence[Result]],
        *,
        max_size: int,
        at_once: int = 1,
    ) -> None:
        self._do = do
        self._max_size = max_size
        self._at_once = at_once
        self._pending: list[_PendingCall[Call, Result]] = []
        self._working: set[asyncio.Task[None]] = set()

    async def take(self, call: Call, *, size: int) -> Result:
        """Do a call, together with others; return its result.

        It is done even if the caller gives up meanwhile.
        """
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.append(_PendingCall(call, size, result))
        if len(self._working) < self._at_once:
            self._working.add(asyncio.create_task(self._work()))
        return await result

    async def _work(self) -> None:
        try:
            while self._pending:
                await self._do_group(self._next_group())
        finally:
            self._working = {one for one in self._working if one is not asyncio.current_task()}

    def _next_group(self) -> list[_PendingCall[Call, Result]]:
        num = num_together((one.size for one in self._pending), max_size=self._max_size)
        group, self._pending = self._pending[:num], self._pending[num:]
        return group

    async def _do_group(self, group: Sequence[_PendingCall[Call, Result]]) -> None:
        try:
            results = await run_in_threadpool(self._do, [one.call for one in group])
        except Exception as error:
            for one in group:
                if not one.result.done():
                    one.result.set_exception(error)
            return
        for one, result in zip(group, results, strict=True):
            if not one.result.done():  # else its caller has given up
                one.result.set_result(result)
