"""One TorchServe node: its address, requests under way, and breaks after failures.

HTTP statuses are interpreted here. Choosing among nodes is `gateway.model.inference`'s part.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from cron.urls.torchserve import Node as Place
from gateway.bodies.refusal import Refusal
from gateway.model.answers import Answer, ModelQuestion, NoAnswer, TooLarge
from gateway.model.node_connections import HttpAnswer, NodeConnections
from gateway.waiting_queue import Overloaded

_JSON = {"Content-Type": "application/json"}
TOO_LATE = "the model server did not answer in time"
MAX_REQUEST_BYTES = 8_388_608  # in deploy/torchserve.properties
# requests at once to a node that fails: a node that hangs would hold each for the whole time-out
TRIES_AT_ONCE = 4
_FIRST_BREAK_S, _LONGEST_BREAK_S = 0.5, 5.0  # after a failure; each is twice the one before

log = logging.getLogger(__name__)


class ModelNode:
    """One node. Create it inside the event loop that uses it."""

    def __init__(self, place: Place, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.place = place
        self._clock = clock
        self.pending = 0
        self.turn = 0  # of its newest request; equally busy nodes take turns by it
        self.out_until = 0.0  # by the clock
        self._break_s = 0.0  # the newest break since the last answer; 0 while it answers
        self._connections = NodeConnections(place)
        self._path = urlsplit(place.predictions).path

    @property
    def is_out(self) -> bool:
        """Return whether the node is on a break."""
        return self._clock() < self.out_until

    @property
    def failed_last(self) -> bool:
        """Return whether the node's newest answer was a failure, on a break or not."""
        return self._break_s > 0

    async def ask(
        self,
        question: ModelQuestion[Answer],
        version: int | None,
        *,
        timeout_s: float,
        connect_s: float,
    ) -> Answer | Refusal:
        """Ask a version, or the node's default; raise NoAnswer, TooLarge or Overloaded.

        `timeout_s` bounds the whole call, so a server that sends a byte now and then gets no extra
        time. While the node fails, a few calls at a time try it; the others are refused at once.
        """
        if self.failed_last:
            if self.pending >= TRIES_AT_ONCE:
                raise NoAnswer(
                    "the model server does not answer, and other calls are trying it already"
                )
            self._take_break()  # this call tries the node; the others go elsewhere meanwhile
        self.pending += 1
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._post_question(question, version, connect_s)
        except TimeoutError as error:
            raise NoAnswer(TOO_LATE) from error
        except NoAnswer:
            raise
        except (Overloaded, TooLarge):  # the node works; it refuses this request
            self._end_break()
            raise
        except Exception as error:  # around one request: any other surprise is this node's failure
            log.exception(
                "answer of the model server not readable", extra={"node": self.place.address}
            )
            raise NoAnswer(
                f"the model server's answer can't be read ({type(error).__name__})"
            ) from error
        finally:
            self.pending -= 1
        self._end_break()
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._connections.close()

    def fail(self) -> None:
        """Record a failure and start a break, twice as long as the one before."""
        self._break_s = min(max(2 * self._break_s, _FIRST_BREAK_S), _LONGEST_BREAK_S)
        self._take_break()

    def _end_break(self) -> None:
        self._break_s, self.out_until = 0.0, 0.0

    def _take_break(self) -> None:
        self.out_until = self._clock() + self._break_s

    async def _post_question(
        self, question: ModelQuestion[Answer], version: int | None, connect_s: float
    ) -> Answer | Refusal:
        path = self._path if version is None else f"{self._path}/{version}"
        headers = _JSON | self._authorization()
        try:
            answer = await self._connections.post(
                path, question.content, headers, connect_s=connect_s
            )
        except OSError as error:
            raise NoAnswer(f"the model server does not answer ({type(error).__name__})") from error
        _check_status(answer, question)
        return question.parse(answer.status, answer.content)

    def _authorization(self) -> dict[str, str]:
        """Read the key at each call, in microseconds: TorchServe makes new keys at its start."""
        if self.place.keys is None:
            return {}
        try:
            key = json.loads(self.place.keys.read_text(encoding="utf-8"))["inference"]["key"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoAnswer(
                f"the model server's key file can't be read ({type(error).__name__})"
            ) from error
        return {"Authorization": f"Bearer {key}"}


def _check_status(answer: HttpAnswer, question: ModelQuestion[Answer]) -> None:
    """Raise NoAnswer, TooLarge or Overloaded for a status that has no answer."""
    if answer.status == 413:
        raise TooLarge(len(question.content), limit_bytes=MAX_REQUEST_BYTES)
    if answer.status == 429:
        raise Overloaded("the model is busy with the texts of other requests")
    if answer.status not in (200, 400):
        raise NoAnswer(f"the model server answered {answer.status}", status=answer.status)
