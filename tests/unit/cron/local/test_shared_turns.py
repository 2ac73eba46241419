"""Turns that several threads share: order, sizes, results and errors."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cron.local.shared_turns import SharedTurns

WAIT_S = 60.0


class Recorded:
    """Work whose first turn waits until it is released; each result is the work, doubled."""

    def __init__(self, *, max_size: int = 100) -> None:
        self.turns: list[list[int]] = []
        self.begun, self.released = threading.Event(), threading.Event()
        self.shared = SharedTurns(self.do, max_size=max_size)

    def do(self, work: Sequence[int]) -> list[int]:
        self.turns.append(list(work))
        self.begun.set()
        assert self.released.wait(WAIT_S)
        if 13 in work:
            raise ValueError("unlucky")
        return [2 * one for one in work]

    def all_of(self, *works: int, size: int = 1) -> list[str]:
        """Let one thread begin with the first, and the others come meanwhile, in order."""
        with ThreadPoolExecutor(len(works)) as threads:
            futures = []
            for number, work in enumerate(works):
                futures.append(threads.submit(self.shared.take, work, size=size))
                assert self.begun.wait(WAIT_S)
                while number > 0 and len(self.shared._waiting) < number:
                    assert not futures[-1].done()
            self.released.set()
            return [str(one.exception() or one.result()) for one in futures]


def test_those_who_wait_share_the_next_turn() -> None:
    recorded = Recorded()
    assert recorded.all_of(1, 2, 3, 4) == ["2", "4", "6", "8"]
    assert recorded.turns == [[1], [2, 3, 4]]


def test_a_turn_has_a_limit() -> None:
    recorded = Recorded(max_size=20)
    assert recorded.all_of(1, 2, 3, 4, size=10) == ["2", "4", "6", "8"]
    assert recorded.turns == [[1], [2, 3], [4]]


def test_work_above_the_limit_has_a_turn_of_its_own() -> None:
    recorded = Recorded(max_size=5)
    assert recorded.all_of(1, 2, 3, size=10) == ["2", "4", "6"]
    assert recorded.turns == [[1], [2], [3]]


def test_an_error_reaches_all_of_its_turn_and_no_other() -> None:
    recorded = Recorded()
    assert recorded.all_of(1, 13, 3) == ["2", "unlucky", "unlucky"]
    assert recorded.shared.take(4, size=1) == 8


def test_many_threads_each_get_their_own_result() -> None:
    recorded = Recorded()
    recorded.released.set()
    numbers = [number for number in range(500) if number != 13]
    with ThreadPoolExecutor(8) as threads:
        results = threads.map(lambda one: recorded.shared.take(one, size=1), numbers)
        assert list(results) == [2 * number for number in numbers]
