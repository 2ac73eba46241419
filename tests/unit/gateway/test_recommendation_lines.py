"""Groups of lines: how many are asked at once, and what a failure of one does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from cron.errors import Unavailable
from gateway.bodies.refusal import Refusal, refusal
from gateway.content.record_bodies import Raw, raw_lines
from gateway.model.recommendation_lines import (
    LINES_AT_ONCE,
    AnswerOne,
    answer_lines,
)
from gateway.waiting_queue import Overloaded


def lines(number: int) -> Iterator[Raw]:
    return raw_lines(b"".join(b'{"user_id": "%d"}\n' % place for place in range(number)))


def answers_to(number: int, answer_one: AnswerOne[Refusal]) -> list[Refusal]:
    async def collect() -> list[Refusal]:
        return [answered async for answered in answer_lines(lines(number), answer_one)]

    return asyncio.run(collect())


def test_answers_come_before_later_lines_are_asked() -> None:
    asked: list[object] = []

    async def answer_one(body: Mapping[str, object]) -> Refusal:
        asked.append(body["user_id"])
        return refusal("k", "for this test")

    async def read_one() -> None:
        await anext(answer_lines(lines(LINES_AT_ONCE + 1), answer_one))

    asyncio.run(read_one())
    assert len(asked) == LINES_AT_ONCE


def test_a_group_is_asked_at_once_and_keeps_its_order() -> None:
    together = asyncio.Barrier(LINES_AT_ONCE)

    async def answer_one(body: Mapping[str, object]) -> Refusal:
        await asyncio.wait_for(together.wait(), 60)
        return refusal("user_id", str(body["user_id"]))

    found = answers_to(LINES_AT_ONCE, answer_one)
    assert [one.error.reason for one in found] == [str(place) for place in range(LINES_AT_ONCE)]


def test_a_store_that_fails_is_the_answer_of_its_line() -> None:
    async def answer_one(body: Mapping[str, object]) -> Refusal:
        if body["user_id"] == "0":
            raise Unavailable("Redis", where="r:1", why="refused")
        if body["user_id"] == "1":
            raise OSError("a secret path")
        return refusal("k", "for this test")

    found = answers_to(3, answer_one)
    errors = [one.error for one in found]
    assert [one.field for one in errors] == ["server", "server", "k"]
    assert "Redis" in errors[0].reason
    assert "secret" not in errors[1].reason


def test_a_line_too_many_for_the_model_is_asked_alone() -> None:
    """Sixteen lines with free texts of their own hold more than the model reads at a time."""
    asked: list[object] = []

    async def answer_one(body: Mapping[str, object]) -> Refusal:
        asked.append(body["user_id"])
        if body["user_id"] == "2" or (body["user_id"] == "1" and asked.count("1") == 1):
            raise Overloaded("the model is busy")
        return refusal("k", "for this test")

    errors = [one.error for one in answers_to(4, answer_one)]
    assert [one.field for one in errors] == ["k", "k", "server", "k"]
    assert asked == ["0", "1", "2", "3", "1", "2"]
