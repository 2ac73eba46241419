"""An answer of server-sent events (`text/event-stream`) that is sent while it is made."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from starlette.responses import StreamingResponse

from gateway.http.problems import encode_line

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """An event by its name, with a body that is sent as JSON."""

    name: str
    body: object


class EventStream(StreamingResponse):
    """Sends each event as soon as it is there. It ends early when the client leaves."""

    def __init__(self, events: AsyncIterable[ServerSentEvent]) -> None:
        headers = {"Cache-Control": "no-store"}
        super().__init__(_encode_events(events), media_type=EVENT_STREAM, headers=headers)


async def _encode_events(events: AsyncIterable[ServerSentEvent]) -> AsyncIterator[bytes]:
    async for event in events:
        yield b"event: " + event.name.encode() + b"\ndata: " + encode_line(event.body) + b"\n"
