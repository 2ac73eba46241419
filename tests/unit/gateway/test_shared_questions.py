"""Questions asked together: each gets its own answer, and none is another's fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.node_connections import HttpAnswer
from gateway.model.shared_questions import MAX_QUESTIONS, UNDER_WAY, SharedQuestions

WAIT_S = 10.0
FAILED = -1  # a question that the whole request fails with
REFUSED = 0


class Model:
    """Answers each number by itself, once `free` is set. `requests` are the numbers of each."""

    def __init__(self) -> None:
        self.requests: list[list[int]] = []
        self.free = asyncio.Event()
        self.has_many = asyncio.Event()  # more requests than are sent while one waits for them
        self.shared = SharedQuestions(self._post)

    async def ask(self, number: int) -> HttpAnswer | None:
        content = json.dumps({"k": number}).encode()
        return await self.shared.ask(content, timeout_s=WAIT_S, connect_s=WAIT_S)

    async def _post(self, content: bytes, _connect_s: float) -> HttpAnswer:
        asked = json.loads(content)
        numbers = [one["k"] for one in (asked if isinstance(asked, list) else [asked])]
        self.requests.append(numbers)
        if len(self.requests) > UNDER_WAY:
            self.has_many.set()
        await self.free.wait()
        if FAILED in numbers:
            return HttpAnswer(500, b'{"error": {"field": null, "reason": "broken"}}')
        answers = [answer_to(number) for number in numbers]
        if not isinstance(asked, list):
            return answers[0]
        listed = b"[%s]" % b", ".join(one.content for one in answers)
        return HttpAnswer(min(one.status for one in answers), listed)


def answer_to(number: int) -> HttpAnswer:
    if number == REFUSED:
        return HttpAnswer(400, b'{"error": {"field": "k"}, "model_version": 3}')
    return HttpAnswer(200, b'{"items": [%d], "model_version": 3}' % number)


def run(work: Callable[[Model], Awaitable[None]]) -> None:
    async def main() -> None:
        await work(Model())

    asyncio.run(main())


async def ask_all(
    model: Model, numbers: Sequence[int]
) -> Sequence[HttpAnswer | BaseException | None]:
    """Ask all at once; the model answers when all that may be sent was sent."""
    tasks = [asyncio.create_task(model.ask(number)) for number in numbers]
    for _ in range(5):
        await asyncio.sleep(0)
    model.free.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_questions_of_one_moment_are_one_request() -> None:
    async def work(model: Model) -> None:
        answers = await ask_all(model, [5, 6, 7, 8])
        assert answers == [answer_to(number) for number in (5, 6, 7, 8)]
        assert model.requests == [[5], [6, 7, 8]]
        assert model.shared.is_idle

    run(work)


@given(st.lists(st.integers(REFUSED, 99), max_size=3 * MAX_QUESTIONS))
def test_everybody_gets_the_answer_to_their_own_question(numbers: list[int]) -> None:
    async def work(model: Model) -> None:
        assert await ask_all(model, numbers) == [answer_to(number) for number in numbers]
        assert sorted(chain.from_iterable(model.requests)) == sorted(numbers)
        assert all(len(one) <= MAX_QUESTIONS for one in model.requests)

    run(work)


def test_a_question_that_breaks_the_model_is_asked_alone() -> None:
    """Those asked with it are asked alone too, so that they get their lists."""

    async def work(model: Model) -> None:
        assert await ask_all(model, [5, 6, FAILED]) == [answer_to(5), None, None]

    run(work)


def test_a_question_asked_alone_has_its_own_failure() -> None:
    async def work(model: Model) -> None:
        first, second = await ask_all(model, [FAILED, FAILED])
        assert isinstance(first, HttpAnswer)
        assert isinstance(second, HttpAnswer)
        assert (first.status, second.status) == (500, 500)

    run(work)


def test_a_model_without_connection_fails_every_question() -> None:
    async def main() -> None:
        async def refuse(_content: bytes, _connect_s: float) -> HttpAnswer:
            raise ConnectionRefusedError

        shared = SharedQuestions(refuse)
        asked = [shared.ask(b"{}", timeout_s=WAIT_S, connect_s=WAIT_S) for _ in range(4)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(one is None or isinstance(one, ConnectionRefusedError) for one in found)
        assert shared.is_idle

    asyncio.run(main())


def test_a_slow_request_does_not_hold_back_the_next_ones() -> None:
    async def work(model: Model) -> None:
        tasks = [asyncio.create_task(model.ask(number)) for number in (5, 6)]
        for _ in range(5):
            await asyncio.sleep(0)
        tasks.append(asyncio.create_task(model.ask(7)))
        await asyncio.wait_for(model.has_many.wait(), WAIT_S)
        assert model.requests == [[5], [6], [7]]
        model.free.set()
        await asyncio.gather(*tasks)

    run(work)


def test_nobody_asks_for_a_caller_who_has_left() -> None:
    async def work(model: Model) -> None:
        tasks = [asyncio.create_task(model.ask(number)) for number in (5, 6)]
        for _ in range(5):
            await asyncio.sleep(0)
        gone, stays = (asyncio.create_task(model.ask(number)) for number in (7, 8))
        await asyncio.sleep(0)
        gone.cancel()
        model.free.set()
        assert await stays == answer_to(8)
        await asyncio.gather(*tasks)
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert model.requests == [[5], [6], [8]]

    run(work)


@pytest.mark.parametrize(
    "answer", [b"[]", b'{"items": []}', b"[1, 2]", b'[{"items": []}]', b"not JSON"]
)
def test_a_list_without_an_answer_for_each_is_no_answer(answer: bytes) -> None:
    async def main() -> None:
        async def post(content: bytes, _connect_s: float) -> HttpAnswer:
            await asyncio.sleep(0)  # others ask meanwhile
            return HttpAnswer(200, answer if content.startswith(b"[") else content)

        shared = SharedQuestions(post)
        asked = [shared.ask(b"{}", timeout_s=WAIT_S, connect_s=WAIT_S) for _ in range(3)]
        assert await asyncio.gather(*asked) == [HttpAnswer(200, b"{}"), None, None]

    asyncio.run(main())
