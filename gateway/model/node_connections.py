"""Kept HTTP/1.1 connections to one model server.

Not a general HTTP client: no redirects, cookies or TLS, none of which a TorchServe node has. It
takes a fifth of the processor time of aiohttp, which would take a quarter of the gateway's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httptools

from cron.urls.torchserve import Node as Place

# TorchServe may have closed a connection that was idle for longer
KEPT_S = 5.0


class Disconnected(ConnectionError):
    """The server closed the connection before the end of its answer."""


class _NothingSent(Disconnected):
    """The server closed the connection before it sent anything, as it does with idle ones."""


class NotHttp(ConnectionError):
    """The server sent something other than an HTTP response."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: its HTTP status and its body."""

    status: int
    content: bytes


class NodeConnections:
    """The connections to one node. Used in one event loop.

    There is no limit of their own: the gateway's queue bounds the calls.
    """

    def __init__(self, place: Place) -> None:
        self._host, self._port = place.host.strip("[]"), place.inference_port
        self._host_header = f"{place.host}:{place.inference_port}"
        self._idle: list[_NodeConnection] = []

    async def post(
        self, path: str, content: bytes, headers: Mapping[str, str], *, connect_s: float
    ) -> HttpAnswer:
        """Post a body; raise OSError, TimeoutError when no connection is made in `connect_s`.

        A question has no effects, so it is asked once more when the server closed a kept
        connection before it sent anything.
        """
        request = self._request(path, content, headers)
        kept = self._take_idle()
        if kept is not None:
            try:
                return await self._ask(kept, request)
            except _NothingSent:
                pass
        return await self._ask(await self._connect(connect_s), request)

    def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, connection: _NodeConnection, request: bytes) -> HttpAnswer:
        try:
            answer = await connection.ask(request)
        except BaseException:  # also when the caller gives up: the answer may still come
            connection.close()
            raise
        if connection.is_usable(at=time.monotonic()):
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _take_idle(self) -> _NodeConnection | None:
        """Take the connection that was used last, if it is still usable."""
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable(at=now):
                return connection
            connection.close()
        return None

    async def _connect(self, connect_s: float) -> _NodeConnection:
        async with asyncio.timeout(connect_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                _NodeConnection, self._host, self._port
            )
        return connection

    def _request(self, path: str, content: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {self._host_header}",
            f"Content-Length: {len(content)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


class _NodeConnection(asyncio.Protocol):
    """One connection, for one request at a time. The parser calls the methods `on_…`."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._parts: list[bytes] = []
        self._has_begun = False
        self._is_kept = False
        self._used_at = 0.0

    def is_usable(self, *, at: float) -> bool:
        """Return whether another request may be sent at a time by time.monotonic()."""
        return (
            self._is_kept
            and self._transport is not None
            and not self._transport.is_closing()
            and at - self._used_at < KEPT_S
        )

    async def ask(self, request: bytes) -> HttpAnswer:
        """Send a request and return its answer; raise Disconnected or NotHttp."""
        if self._transport is None or self._transport.is_closing():
            raise _NothingSent
        self._is_kept = self._has_begun = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not of that class

    def data_received(self, data: bytes) -> None:
        """Parse a part of an answer."""
        if self._answer is None or self._answer.done():
            self.close()  # nothing was asked: an answer to a call that was given up, or nonsense
            return
        self._has_begun = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(NotHttp(str(error)))

    def connection_lost(self, _exc: Exception | None) -> None:
        """Fail the request that is under way."""
        self._fail(Disconnected() if self._has_begun else _NothingSent())

    def on_message_begin(self) -> None:
        """Close on a second answer, which would be read as the answer to the next request."""
        if self._answer is None or self._answer.done():
            self.close()

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Finish the request; an interim answer (1xx) is skipped."""
        status, content = self._parser.get_status_code(), b"".join(self._parts)
        self._parts.clear()
        if status >= 200 and self._answer is not None and not self._answer.done():
            self._is_kept, self._used_at = self._parser.should_keep_alive(), time.monotonic()
            self._answer.set_result(HttpAnswer(status, content))

    def _fail(self, error: Exception) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
