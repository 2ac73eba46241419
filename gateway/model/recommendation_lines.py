"""Answers to many questions: a line of the answer for each line of the body."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from cron.errors import FreshetError
from gateway.bodies.refusal import Refusal, refusal
from gateway.content.record_bodies import Raw, Readable
from gateway.waiting_queue import Overloaded
from recommender.requests.wire import BadRequest

Found = TypeVar("Found")
AnswerOne = Callable[[Mapping[str, object]], Awaitable[Found]]  # may raise BadRequest

LINES_AT_ONCE = 16  # half a batch of the model, so that single calls find room in each

log = logging.getLogger(__name__)


async def answer_lines(
    lines: Iterator[Raw], answer_one: AnswerOne[Found]
) -> AsyncIterator[Found | Refusal]:
    """Yield the answer to each line, or why there is none: one bad line spoils no other.

    The free texts of a group may be more than the model reads at a time. A line that it is then too
    busy for is asked again by itself.
    """
    while group := list(islice(lines, LINES_AT_ONCE)):
        answers = await asyncio.gather(*(_answer(line, answer_one) for line in group))
        for line, answered in zip(group, answers, strict=True):
            if isinstance(answered, Overloaded):
                yield await _answer_alone(line, answer_one)
            else:
                yield answered


async def _answer_alone(line: Raw, answer_one: AnswerOne[Found]) -> Found | Refusal:
    answered = await _answer(line, answer_one)
    return refusal("server", str(answered)) if isinstance(answered, Overloaded) else answered


async def _answer(line: Raw, answer_one: AnswerOne[Found]) -> Found | Refusal | Overloaded:
    if not isinstance(line, Readable):
        return refusal("body", f"the line is {line.found}; expected {line.expected}")
    if not isinstance(line.value, dict):
        found = type(line.value).__name__
        return refusal("body", f"the line is a JSON {found}; expected an object")
    try:
        return await answer_one(line.value)
    except BadRequest as error:
        return refusal(error.field, error.reason)
    except Overloaded as error:
        return error
    except FreshetError as error:
        return refusal("server", str(error))
    except OSError as error:
        # its own words are not for callers
        log.warning("line of a batch not answered", exc_info=error)
        name = type(error).__name__
        return refusal("server", f"the gateway's storage does not answer ({name}); try again")
