"""An answer of JSON lines that is sent while it is made."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.content.record_bodies import NDJSON
from gateway.http.problems import encode_line


class StreamedLines(StreamingResponse):
    """Sends one line for each body, and releases what the call holds when it ends.

    It ends early when the client leaves.
    """

    def __init__(self, bodies: AsyncIterable[object], *, held: AsyncExitStack) -> None:
        super().__init__(_encode_lines(bodies), media_type=NDJSON)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        async with self._held:
            await super().__call__(scope, receive, send)


async def _encode_lines(bodies: AsyncIterable[object]) -> AsyncIterator[bytes]:
    async for body in bodies:
        yield encode_line(body)
