"""The recorder: a bounded queue of slates, and a task that appends groups of them to a log.

An answer only puts its slate into the queue. When the log is away, the task tries again while the
queue fills; what comes then is dropped and counted. A process that is killed loses what its queue
holds, at most about a second of lists.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from starlette.concurrency import run_in_threadpool

from cron.errors import FreshetError
from gateway.slates.served import ServedAnswer, is_storable, slate_of_answer
from recommender.records.slates import Slate

SlateOutcome = Literal["stored", "queue_full", "not_storable", "log_away"]
DROPPED: tuple[SlateOutcome, ...] = ("queue_full", "not_storable", "log_away")
Append = Callable[[Sequence[Slate]], object]
CountSlates = Callable[[SlateOutcome, int], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderLimits:
    """How much waits, and for how long.

    The largest list has 1,000 items, so the queue is bounded by items too: together some 30 MB.
    """

    max_slates: int = 10_000
    max_items: int = 200_000
    # one group takes a few milliseconds of the interpreter, in which no answer is made
    group_slates: int = 200
    gather_s: float = 0.5  # a durable write takes as long for one slate as for a group
    first_retry_s: float = 0.5
    last_retry_s: float = 30.0
    end_s: float = 5.0  # to store what waits at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderState:
    """What became of the lists since this process started."""

    recording: bool
    waiting: int
    stored: int
    dropped: int


class SlateRecorder:
    """Takes slates from one event loop; without `append` it records nothing."""

    def __init__(
        self, append: Append | None, count: CountSlates, *, limits: RecorderLimits | None = None
    ) -> None:
        self._append = append
        self._count = count
        self._limits = limits or RecorderLimits()
        self._waiting: deque[Slate] = deque()
        self._num_items = 0
        self._outcomes = Counter[SlateOutcome]()
        self._has_some, self._has_group = asyncio.Event(), asyncio.Event()
        self._is_ending = asyncio.Event()

    def record(self, answer: ServedAnswer) -> None:
        """Put the list of an answer into the queue, or drop it when the queue is full."""
        if self._append is None:
            return
        limits, num_items = self._limits, len(answer.items)
        if (
            len(self._waiting) >= limits.max_slates
            or self._num_items + num_items > limits.max_items
            or self._is_ending.is_set()
        ):
            self._note("queue_full", 1)
            return
        self._waiting.append(slate_of_answer(answer, at=datetime.now(UTC)))
        self._num_items += num_items
        self._has_some.set()
        if len(self._waiting) >= limits.group_slates:
            self._has_group.set()

    def state(self) -> RecorderState:
        """Return what waits, and what became of the rest."""
        return RecorderState(
            recording=self._append is not None,
            waiting=len(self._waiting),
            stored=self._outcomes["stored"],
            dropped=sum(self._outcomes[one] for one in DROPPED),
        )

    async def work(self) -> None:
        """Append groups until `end` is called and nothing waits."""
        while self._waiting or not self._is_ending.is_set():
            await self._gather()
            if self._waiting:
                await self._store(self._next_group())

    async def end(self, task: asyncio.Task[None]) -> None:
        """Store what waits, but not for long, and end the task; count what is lost."""
        self._is_ending.set()
        self._has_some.set()
        self._has_group.set()
        await asyncio.wait({task}, timeout=self._limits.end_s)
        if task.done() and (error := task.exception()) is not None:
            log.error("the recorder of slates failed", exc_info=error)
        task.cancel()
        if self._waiting:
            log.warning("slates lost at the end", extra={"num_slates": len(self._waiting)})
            self._note("log_away", len(self._waiting))
            self._waiting.clear()

    async def _gather(self) -> None:
        """Wait for a first slate, then for a group of them or for some time."""
        await self._has_some.wait()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._has_group.wait(), self._limits.gather_s)

    def _next_group(self) -> list[Slate]:
        """Return the oldest slates, which wait until they are stored."""
        num = min(len(self._waiting), self._limits.group_slates)
        return [self._waiting[place] for place in range(num)]

    async def _store(self, group: Sequence[Slate]) -> None:
        """Append a group, again and again while the log is away."""
        num_stored: int | None = None
        retry_s = self._limits.first_retry_s
        while num_stored is None:
            try:
                num_stored = await run_in_threadpool(self._append_storable, group)
            except (FreshetError, OSError) as error:
                log.warning("slates not stored yet", extra={"why": str(error), "retry_s": retry_s})
                await self._pause(retry_s)
                retry_s = min(2 * retry_s, self._limits.last_retry_s)
            except Exception:
                log.exception("slates dropped that can't be stored")
                num_stored = 0
        self._remove(group)
        self._note("stored", num_stored)
        self._note("not_storable", len(group) - num_stored)

    def _append_storable(self, group: Sequence[Slate]) -> int:
        """Append what a log can hold, and return how many slates that are."""
        assert self._append is not None  # else nothing waits
        storable = [slate for slate in group if is_storable(slate)]
        if storable:
            self._append(storable)
        return len(storable)

    async def _pause(self, seconds: float) -> None:
        """Wait before another try; at the end only for a short time."""
        if self._is_ending.is_set():
            await asyncio.sleep(self._limits.first_retry_s)
            return
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._is_ending.wait(), seconds)

    def _remove(self, group: Sequence[Slate]) -> None:
        for _ in group:
            self._num_items -= len(self._waiting.popleft().items)
        if self._is_ending.is_set():
            return
        if not self._waiting:
            self._has_some.clear()
        if len(self._waiting) < self._limits.group_slates:
            self._has_group.clear()

    def _note(self, outcome: SlateOutcome, number: int) -> None:
        if number:
            self._outcomes[outcome] += number
            self._count(outcome, number)


@asynccontextmanager
async def running_recorder(
    append: Append | None, count: CountSlates, *, limits: RecorderLimits | None = None
) -> AsyncIterator[SlateRecorder]:
    """Run a recorder; at the end it stores what waits."""
    recorder = SlateRecorder(append, count, limits=limits)
    task = asyncio.create_task(recorder.work())
    try:
        yield recorder
    finally:
        await recorder.end(task)
