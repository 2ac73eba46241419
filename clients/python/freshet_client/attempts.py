"""The tries of one call: which outcome is final, and how long to wait before the next try.

Every call may be repeated, since records have ids before they are sent. It knows no network.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Callable, Generic, Optional, TypeVar, Union

from freshet_client.calls import Call, json_value, refusal_of
from freshet_client.decoding import WrongAnswer
from freshet_client.errors import Refused, Unavailable

Answer = TypeVar("Answer")
LATER = (429, 502, 503, 504)  # the statuses that say "later"
OF_BODY = (400, 413)  # and those that say what is wrong with a body


@dataclass(frozen=True)
class Retries:
    """How often, and for how long in all, a call is tried before it is Unavailable."""

    tries: int = 4
    total_s: float = 15.0
    first_wait_s: float = 0.1  # doubled each time, and half of it is random


USUAL_RETRIES = Retries()


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    content: bytes
    retry_after: Optional[str] = None


@dataclass(frozen=True)
class NoReply:
    """The connection failed, or the answer did not come in time."""

    reason: str


class Attempts(Generic[Answer]):
    """The tries of one call. After `settle` returned None, wait `wait_s` and try again."""

    def __init__(
        self,
        call: Call[Answer],
        retries: Retries,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.wait_s = 0.0
        self._call = call
        self._retries = retries
        self._clock = clock
        self._draw = draw
        self._num_tries = 0
        self._deadline = clock() + retries.total_s

    def settle(self, outcome: Union[Reply, NoReply]) -> Optional[Answer]:
        """Return the answer, or None to try again; raise Refused or Unavailable at the end."""
        self._num_tries += 1
        if isinstance(outcome, NoReply):
            self._wait_or_raise(Unavailable(outcome.reason), 0.0)
            return None
        if outcome.status in LATER:
            self._wait_or_raise(_unavailable(outcome), _seconds(outcome.retry_after))
            return None
        return self._read(outcome)

    def _wait_or_raise(self, error: Unavailable, asked_s: float) -> None:
        """Set how long to wait; raise the error when no try or no time is left."""
        longest_s = self._retries.first_wait_s * 2 ** (self._num_tries - 1)
        self.wait_s = max(asked_s, longest_s * (1 + self._draw()) / 2)
        if self._num_tries >= self._retries.tries or self._clock() + self.wait_s > self._deadline:
            raise error

    def _read(self, reply: Reply) -> Answer:
        if reply.status >= 500:
            raise _unavailable(reply)
        refused = None if reply.status < 300 else _refusal(reply)
        if refused is not None and self._call.refused and refused.status in OF_BODY:
            return self._call.refused(refused)
        # when all records of a call were rejected, the answer is a 400 that lists them
        if refused is not None or (reply.status >= 300 and reply.status != 400):
            raise refused or _unreadable(reply)
        try:
            return self._call.parse(reply.content)
        except WrongAnswer as error:
            if reply.status == 400:
                raise _unreadable(reply) from None
            raise Unavailable(f"not an answer of Freshet: {error}", reply.status) from None


def _refusal(reply: Reply) -> Optional[Refused]:
    try:
        return refusal_of(json_value(reply.content), reply.status)
    except WrongAnswer:
        return None


def _unreadable(reply: Reply) -> Refused:
    return Refused("server", f"found {reply.content[:200]!r}, not Freshet's", reply.status)


def _unavailable(reply: Reply) -> Unavailable:
    refused = _refusal(reply)
    reason = f"status {reply.status}" if refused is None else refused.reason
    return Unavailable(reason, reply.status, _seconds(reply.retry_after))


def _seconds(retry_after: Optional[str]) -> float:
    """Return the seconds of a Retry-After header; 0 without one, or for a date."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
