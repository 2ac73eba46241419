"""Questions to one model that wait at the same time, asked as one list of bodies.

For each request TorchServe's front end and its worker take about as long as the model takes for a
plain list. A node works on one batch while it gathers the next, so two requests are under way at a
time, and what comes meanwhile forms the next one. No question waits long for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from cron.local.shared_turns import num_together
from gateway.model.answers import NoAnswer
from gateway.model.node_connections import HttpAnswer

UNDER_WAY = 2
MAX_WAIT_S = 0.01  # of a question, while two requests are under way; a batch takes about as long
MAX_QUESTIONS = 32  # of one request
MAX_BYTES = 256 * 1024  # of one request

# Posts a body. The seconds are those to connect.
Post = Callable[[bytes, float], Awaitable[HttpAnswer]]


class _ListedAnswer(msgspec.Struct):
    """The field by which an answer of a list is an error."""

    error: object = None


_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_LISTED = msgspec.json.Decoder(_ListedAnswer)


@dataclass(frozen=True, slots=True)
class _WaitingQuestion:
    content: bytes
    connect_s: float
    until: float  # by the event loop's time
    answer: asyncio.Future[HttpAnswer | None]


class SharedQuestions:
    """Asks in the order of arrival. Used in one event loop."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._waiting: list[_WaitingQuestion] = []
        self._planned: asyncio.Handle | None = None  # when those are sent
        self._num_under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Return whether nothing waits for an answer."""
        return not self._waiting and self._num_under_way == 0

    async def ask(self, content: bytes, *, timeout_s: float, connect_s: float) -> HttpAnswer | None:
        """Ask one JSON object and return its answer; raise OSError or NoAnswer.

        None if it was asked with others, and their request failed or had no answer for each. It
        must then be asked alone, so that one question cannot spoil another.
        """
        if self.is_idle:
            return await self._ask_at_once(content, connect_s)
        loop = asyncio.get_running_loop()
        until, answer = loop.time() + timeout_s, loop.create_future()
        self._waiting.append(_WaitingQuestion(content, connect_s, until, answer))
        self._plan()
        found: HttpAnswer | None = await answer
        return found

    async def _ask_at_once(self, content: bytes, connect_s: float) -> HttpAnswer:
        self._num_under_way += 1
        try:
            return await self._post(content, connect_s)
        finally:
            self._end()

    def _plan(self) -> None:
        """Plan to send what waits: with what other calls ask right now, or when a request ends."""
        if self._planned is not None or not self._waiting:
            return
        loop = asyncio.get_running_loop()
        if self._num_under_way < UNDER_WAY:
            self._planned = loop.call_soon(self._send)
        else:
            self._planned = loop.call_later(MAX_WAIT_S, self._send)

    def _send(self) -> None:
        """Send the oldest questions, without those whose callers have given up."""
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        left = [one for one in self._waiting if not one.answer.done()]
        sizes = [len(one.content) for one in left[:MAX_QUESTIONS]]
        num = num_together(sizes, max_size=MAX_BYTES)
        group, self._waiting = left[:num], left[num:]
        if group:
            self._num_under_way += 1
            task = asyncio.create_task(self._ask_group(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._plan()

    async def _ask_group(self, group: Sequence[_WaitingQuestion]) -> None:
        """Ask a group, and send the next one before the calls of this one work on."""
        answers: Sequence[HttpAnswer | None] = [None] * len(group)
        try:
            async with asyncio.timeout_at(max(one.until for one in group)):
                answers = await self._answers(group)
        except (OSError, NoAnswer) as error:
            if len(group) == 1 and not group[0].answer.done():
                group[0].answer.set_exception(error)
        finally:
            self._end()
            for one, answer in zip(group, answers, strict=True):
                if not one.answer.done():
                    one.answer.set_result(answer)

    def _end(self) -> None:
        self._num_under_way -= 1
        self._send()

    async def _answers(self, group: Sequence[_WaitingQuestion]) -> Sequence[HttpAnswer | None]:
        connect_s = max(one.connect_s for one in group)
        if len(group) == 1:
            return [await self._post(group[0].content, connect_s)]
        content = b"[" + b",".join([one.content for one in group]) + b"]"
        answer = await self._post(content, connect_s)
        try:
            listed = _split(answer.content) if answer.status in (200, 400) else []
        except msgspec.DecodeError:
            listed = []
        return listed if len(listed) == len(group) else [None] * len(group)


def _split(content: bytes) -> Sequence[HttpAnswer]:
    """Return the answers of a list as if each was asked alone; raise msgspec.DecodeError."""
    return [HttpAnswer(_status(part), bytes(part)) for part in _LIST.decode(content)]


def _status(part: msgspec.Raw) -> int:
    return 200 if _LISTED.decode(part).error is None else 400
