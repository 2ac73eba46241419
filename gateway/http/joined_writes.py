"""A transport that sends at once what is written in one turn of the event loop.

uvicorn writes an answer's head and body one after the other, and uvloop sends each: two system
calls, and a client that is woken for a head without a body. That is a twentieth of a list's time.
"""

from __future__ import annotations

import asyncio

MAX_HELD_BYTES = 64 * 1024  # more is sent at once, so that a large answer is not held whole


class JoinedWrites:
    """Holds what is written until the end of the turn; the rest is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held = bytearray()

    def __getattr__(self, name: str) -> object:
        """Return what the transport has; asked only for what this class lacks."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send these bytes, in their order, at the end of this turn."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held += data
        if len(self._held) > MAX_HELD_BYTES:
            self._send()

    def close(self) -> None:
        """Send what is held, and close."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what is held is lost."""
        self._held.clear()
        self._transport.abort()

    def _send(self) -> None:
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self._transport.write(data)
