"""Turns that several threads share: the calls that wait for one turn share the next.

A durable transaction takes milliseconds, however small it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, takewhile
from typing import Generic, TypeVar

Work = TypeVar("Work")
Done = TypeVar("Done")


def num_together(sizes: Iterable[int], *, max_size: int) -> int:
    """Return how many of the first sizes are together at most `max_size`, at least one."""
    return max(1, sum(1 for _ in takewhile(lambda size: size <= max_size, accumulate(sizes))))


class _WaitingWork(Generic[Work, Done]):
    """One thread's work, and what became of it."""

    def __init__(self, work: Work, size: int) -> None:
        self.work = work
        self.size = size
        self.done: Done | None = None
        self.error: Exception | None = None


class SharedTurns(Generic[Work, Done]):
    """Takes work from many threads, and does it in their order of arrival, several at a time.

    `do` returns one result for each piece of work. When it raises, every call of that turn raises
    the same: `do` must then have done nothing. Work larger than `max_size` has a turn of its own.
    """

    def __init__(self, do: Callable[[Sequence[Work]], Sequence[Done]], *, max_size: int) -> None:
        self._do = do
        self._max_size = max_size
        self._turn = threading.Lock()  # held by the thread that works for all
        self._lock = threading.Lock()  # of the list
        self._waiting: list[_WaitingWork[Work, Done]] = []

    def take(self, work: Work, *, size: int) -> Done:
        """Do the work, together with that of others; return its result."""
        one: _WaitingWork[Work, Done] = _WaitingWork(work, size)
        with self._lock:
            self._waiting.append(one)
        with self._turn:
            while one.done is None and one.error is None:
                self._work_for(self._next())
        if one.error is not None:
            raise one.error
        assert one.done is not None
        return one.done

    def _next(self) -> list[_WaitingWork[Work, Done]]:
        """Take the work of one turn off the list."""
        with self._lock:
            num = num_together((one.size for one in self._waiting), max_size=self._max_size)
            taken, self._waiting = self._waiting[:num], self._waiting[num:]
        return taken

    def _work_for(self, taken: Sequence[_WaitingWork[Work, Done]]) -> None:
        try:
            results = self._do([one.work for one in taken])
        except Exception as error:
            for one in taken:
                one.error = error
        else:
            for one, result in zip(taken, results, strict=True):
                one.done = result
