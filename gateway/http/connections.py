"""HTTP connections: time limits for headers, bodies and readers; places for new ones.

A protocol on uvicorn's for httptools, which limits only the time between two requests. A request
of HTTP/1.1 must have exactly one Host.
"""

from __future__ import annotations

import asyncio
import json
import resource
from dataclasses import dataclass
from typing import Any, Literal, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http.joined_writes import JoinedWrites

_MAX_FILES = 4096  # clients' connections, those to the model server, databases
_TICK_SHARE = 0.1  # of the shortest limit: how often a connection is checked
_MAX_HEAD_BYTES = 16 * 1024  # request line and headers

Phase = Literal["headers", "body", "answering", "rest of body", "closing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The time limits of a connection, and the number of connections.

    A slow phone sends its headers within a second. A body has `body_s`, and one second more for
    every `body_bytes_s` bytes that arrived.
    """

    headers_s: float = 10.0  # from the connection or the last answer to the end of the headers
    body_s: float = 10.0
    body_bytes_s: int = 32 * 1024
    reader_s: float = 20.0  # for a client that does not read its answer
    connections: int = 1000  # each takes a few dozen KiB

    def tick_s(self) -> float:
        """Return how often a connection is checked."""
        return _TICK_SHARE * min(self.headers_s, self.body_s, self.reader_s)


class BoundedConnection(HttpToolsProtocol):
    """One connection. Each phase of a request has a time limit.

    When there are too many connections, one that waits for its client is closed for a new one.
    """

    def __init__(self, config: uvicorn.Config, *, limits: ConnectionLimits, **given: Any) -> None:
        super().__init__(config, **given)
        self.limits = limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection. When there are too many, close the one that has waited longest."""
        joined = JoinedWrites(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", joined))
        self._phase: Phase = "headers"
        self._since = self._stuck_since = self.loop.time()
        self._received_bytes = 0
        self._invalid: str | None = None  # what is wrong with bytes behind a call at work
        self._timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self.limits.connections:
            self._make_room()
        self._tick()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes and update the phase."""
        self._received_bytes += len(data)
        super().data_received(data)
        self._update_phase(new_bytes=len(data))
        if self._phase == "headers" and self._received_bytes > _MAX_HEAD_BYTES:
            self.send_400_response("The headers of the request are too long.")

    def on_headers_complete(self) -> None:
        """Start a request, unless its headers are too long or do not name one host."""
        sizes = [len(name) + len(value) + 4 for name, value in self.headers]
        if len(self.url) + sum(sizes) > _MAX_HEAD_BYTES:
            raise ValueError("the headers of the request are too long")
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise ValueError("a request of HTTP/1.1 has one Host header")
        # uvicorn would cut it off there, and answer for another user
        self.url = self.url.replace(b"#", b"%23")
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Start the time of the next request."""
        super().on_response_complete()
        self._update_phase()
        if self._invalid is not None and self._phase != "answering":
            self.send_400_response(self._invalid)

    def pause_writing(self) -> None:
        """Record when the client stopped reading."""
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse invalid HTTP in the form of every other refusal, after the answers before it."""
        if self._current_phase() == "answering":
            self._invalid = msg
            self.flow.pause_reading()
            return
        self._refuse(
            400,
            "Bad Request",
            field="request",
            reason=f"{msg.rstrip('.')}; expected HTTP/1.1 with at most 16 KiB of headers",
        )

    @property
    def waits(self) -> bool:
        """Return whether it waits for its client, so that it may be closed for another."""
        return self._phase != "answering"

    def _tick(self) -> None:
        self._update_phase()
        now = self.loop.time()
        if self._is_over(now):
            self._end()
        self._timer = self.loop.call_later(self.limits.tick_s(), self._tick)

    def _update_phase(self, *, new_bytes: int = 0) -> None:
        phase = self._current_phase()
        if phase != self._phase:
            self._phase, self._since, self._received_bytes = phase, self.loop.time(), new_bytes

    def _current_phase(self) -> Phase:
        if self.transport.is_closing():
            return "closing"
        if self.cycle is None:
            return "headers"
        if self.pipeline:  # a call is at work, and `cycle` is one behind it
            return "answering"
        if not self.cycle.response_complete:
            return "body" if self.cycle.more_body else "answering"
        return "rest of body" if self.cycle.more_body else "headers"

    def _is_over(self, now: float) -> bool:
        took_s = now - self._since
        if self._phase == "answering":
            return self.flow.write_paused and now - self._stuck_since > self.limits.reader_s
        if self._phase == "body":
            return took_s > self.limits.body_s + self._received_bytes / self.limits.body_bytes_s
        if self._phase == "closing":
            return took_s > self.limits.reader_s
        return took_s > (self.limits.headers_s if self._phase == "headers" else self.limits.body_s)

    def _end(self) -> None:
        """Close. Say why when a request has begun and no part of an answer was sent."""
        has_begun = (
            self._received_bytes > 0
            if self._phase == "headers"
            else self._phase == "body" and not self.cycle.response_started
        )
        if has_begun:
            self._refuse(
                408,
                "Request Timeout",
                field=self._phase,
                reason=f"the {self._phase} of the request took too long to arrive; send it again",
            )
        elif self._phase in ("closing", "answering"):
            self.transport.abort()  # unsent bytes would keep it open
        else:
            self.transport.close()
        self._update_phase()

    def _make_room(self) -> None:
        others = [
            one
            for one in self.connections
            if isinstance(one, BoundedConnection) and one is not self and one.waits
        ]
        if others:
            min(others, key=lambda one: one._since).transport.abort()
        else:
            self._refuse(
                503,
                "Service Unavailable",
                field="server",
                reason="too many connections; try again in 1 s",
                more=("Retry-After: 1",),
            )

    def _refuse(
        self, status: int, phrase: str, *, field: str, reason: str, more: tuple[str, ...] = ()
    ) -> None:
        body = json.dumps({"error": {"field": field, "reason": reason}}) + "\n"
        lines = (
            f"HTTP/1.1 {status} {phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *more,
        )
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        self.transport.close()


def raise_file_limit() -> None:
    """Raise the number of files that this process may open, as far as the machine allows.

    The soft limit, often 1,024, counts every connection.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limits_here() -> ConnectionLimits:
    """Return this process's limits: connections take at most half of the files it may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ConnectionLimits().connections
    return ConnectionLimits(
        connections=most if soft == resource.RLIM_INFINITY else min(most, soft // 2)
    )
