"""Request bodies within the memory that all of them share."""

from __future__ import annotations

import asyncio
import gzip

from starlette.requests import Request
from starlette.types import Message

from gateway.content.request_body import RequestBodies

LIMIT = 1 << 20


def request_with(body: bytes, *headers: tuple[bytes, bytes]) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(
        {"type": "http", "method": "POST", "path": "/", "headers": list(headers)}, receive
    )


def test_a_small_gzip_body_reserves_little_memory() -> None:
    """When each reserved the greatest size, three small ones at once were too many."""
    bodies = RequestBodies(max_bytes=LIMIT)

    async def read_both() -> bytes:
        async with bodies.read(request_with(b"{}"), limit=LIMIT):
            packed = request_with(gzip.compress(b"[]"), (b"content-encoding", b"gzip"))
            async with bodies.read(packed, limit=LIMIT) as body:
                return bytes(body)

    assert asyncio.run(read_both()) == b"[]"
