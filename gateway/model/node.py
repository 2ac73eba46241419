"""One TorchServe node as the gateway sees it: where it answers, what is under way there, and how long it is left out.

Knows HTTP statuses; does not know what a request means, nor that there are other nodes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass

import aiohttp

from cron.urls.torchserve import Node as Place
from gateway.waiting_queue import Overloaded

_JSON = {"Content-Type": "application/json"}
TOO_LATE = "the model server did not answer in time"
MAX_REQUEST_BYTES = 8_388_608  # in deploy/torchserve.properties
TRIES_AT_ONCE = (
    4  # of a node that fails; a node that hangs would hold every call for the whole time-out
)
_FIRST_BREAK_S, _LONGEST_BREAK_S = 0.5, 5.0  # of a node that failed, doubled each time

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The model's answer to one body: 200 with the result, or 400 with what was wrong."""

    status: int
    body: object


class NoAnswer(Exception):
    """The model server gave no usable answer: down, slow, overloaded, or without a model. `status` is what it said, if anything."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class TooLarge(Exception):
    """The model server takes no request of this size: for the caller to change, and no fault of the node."""

    def __init__(self, size_bytes: int) -> None:
        limit = f"its max_request_size; Freshet starts it with {MAX_REQUEST_BYTES:,}"
        super().__init__(
            f"the question holds {size_bytes:,} bytes, more than the model server takes ({limit}); send less in one call"
        )


class Node:
    """One node. Made inside the event loop that uses it."""

    def __init__(self, place: Place, client: aiohttp.ClientSession) -> None:
        self.place = place
        self.pending = 0
        self.turn = 0  # of the last request that it was given, to take nodes in turn
        self.out_until = 0.0  # by time.monotonic()
        self._break_s = 0.0  # the newest break since the last answer; 0 while it answers
        self._client = client

    @property
    def is_out(self) -> bool:
        """Tell whether the node is left out now."""
        return time.monotonic() < self.out_until

    @property
    def failed_last(self) -> bool:
        """Tell whether the node's newest answer was a failure, on a break or not."""
        return self._break_s > 0

    async def predict(
        self, content: bytes, version: int | None, *, timeout_s: float, connect_s: float
    ) -> Answer:
        """Ask a version, or the default; raise NoAnswer for anything but a 200, or a 400 of the model's own; TooLarge; Overloaded.

        `timeout_s` is for the whole call, whatever it is spent on: a server that sends a byte now
        and then gets no more. While the node fails, a few calls at a time try whether it is back,
        and the others are refused at once.
        """
        if self.failed_last:
            if self.pending >= TRIES_AT_ONCE:
                raise NoAnswer(
                    "the model server does not answer, and other calls are trying it already"
                )
            self._leave_out()  # this call tries the node; the others go elsewhere meanwhile
        self.pending += 1
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._ask(content, version, connect_s)
        except TimeoutError as error:
            raise NoAnswer(TOO_LATE) from error
        except NoAnswer:
            raise
        except (Overloaded, TooLarge):  # an answer, which only this request can't use
            self._answered()
            raise
        except Exception as error:  # around one request: whatever a node's answer does to us is that node's failure
            log.exception(
                "answer of the model server not readable", extra={"node": self.place.address}
            )
            raise NoAnswer(
                f"the model server's answer can't be read ({type(error).__name__})"
            ) from error
        finally:
            self.pending -= 1
        self._answered()
        return answer

    def failed(self) -> None:
        """Note the failure, and leave the node out for a while, longer each time, where there is another."""
        self._break_s = min(max(2 * self._break_s, _FIRST_BREAK_S), _LONGEST_BREAK_S)
        self._leave_out()

    def _answered(self) -> None:
        self._break_s, self.out_until = 0.0, 0.0

    def _leave_out(self) -> None:
        self.out_until = time.monotonic() + self._break_s

    async def _ask(self, content: bytes, version: int | None, connect_s: float) -> Answer:
        url = self.place.predictions if version is None else f"{self.place.predictions}/{version}"
        try:
            status, answered = await self._post(url, content, connect_s)
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"the model server does not answer ({type(error).__name__})") from error
        if status == 413:
            raise TooLarge(len(content))
        if status == 429:
            raise Overloaded("the model has as much to read as it can at a time")
        if status not in (200, 400):
            raise NoAnswer(f"the model server answered {status}", status=status)
        try:
            found: object = json.loads(answered)
        except ValueError as error:
            raise NoAnswer("the model server answered no JSON") from error
        if status == 400 and not (isinstance(found, dict) and "error" in found):
            raise NoAnswer(
                f"the model server refused the call ({_message(found)})", status=400
            )  # TorchServe's own: a wrong key, for one
        return Answer(status=status, body=found)

    async def _post(self, url: str, content: bytes, connect_s: float) -> tuple[int, bytes]:
        headers = _JSON | self._authorization()
        try:
            return await self._post_once(url, content, headers, connect_s)
        except aiohttp.ServerDisconnectedError:
            # a kept connection that the server closed meanwhile; asking is free of effects, so once
            # more on a new one
            return await self._post_once(url, content, headers, connect_s)

    async def _post_once(
        self, url: str, content: bytes, headers: dict[str, str], connect_s: float
    ) -> tuple[int, bytes]:
        limit = aiohttp.ClientTimeout(total=None, connect=connect_s)
        async with self._client.post(
            url, data=content, headers=headers, timeout=limit, allow_redirects=False
        ) as response:
            return response.status, await response.read()

    def _authorization(self) -> dict[str, str]:
        """Read the key anew each time, some microseconds: TorchServe makes new ones when it starts."""
        if self.place.keys is None:
            return {}
        try:
            return {
                "Authorization": f"Bearer {json.loads(self.place.keys.read_text())['inference']['key']}"
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoAnswer(
                f"the model server's key file can't be read ({type(error).__name__})"
            ) from error


def _message(found: object) -> str:
    return str(found.get("message", "400")) if isinstance(found, dict) else "400"
