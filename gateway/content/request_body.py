"""Request bodies as bytes: unpacked from gzip, and refused when too large."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from gateway.waiting_queue import Overloaded

_PIECE_BYTES = 1 << 20
_GZIP = zlib.MAX_WBITS | 16
_MOST_UNPACKED = 1032  # bytes from one packed byte: deflate's limit


class BadBody(ValueError):
    """A body that is refused as a whole: the sentence for the sender, and the status."""

    def __init__(self, sentence: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(sentence)


class RequestBodies:
    """Reads the bodies of all calls, at most `max_bytes` at a time. Used in one event loop."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request, *, limit: int) -> AsyncIterator[bytes | bytearray]:
        """Read a body of at most `limit` bytes, unpacked; raise BadBody or Overloaded.

        The body counts against `max_bytes` until the block ends. Reading stops at the limit, so
        neither a false length nor a missing one can fill the memory.
        """
        is_gzip = _is_gzip(request)
        body = bytearray()
        held_bytes = 0
        try:
            _check_size(_content_length(request), limit)
            async for chunk in request.stream():
                body += chunk
                _check_size(len(body), limit)
                held_bytes = self._hold(held_bytes, len(body))
            if is_gzip:
                held_bytes = self._hold(held_bytes, min(limit, _MOST_UNPACKED * len(body)))
                body = await run_in_threadpool(_unpack, body, limit)
                held_bytes = self._hold(held_bytes, len(body))
            yield body
        finally:
            self._held_bytes -= held_bytes

    def _hold(self, held_bytes: int, wanted_bytes: int) -> int:
        """Change how many bytes one body counts for; return the new number."""
        if self._held_bytes - held_bytes + wanted_bytes > self._max_bytes:
            raise Overloaded(
                "the gateway is overloaded: bodies of other calls fill the memory reserved for them"
            )
        self._held_bytes += wanted_bytes - held_bytes
        return wanted_bytes


def _content_length(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _check_size(size_bytes: int, limit: int) -> None:
    if size_bytes > limit:
        raise BadBody(
            f"the body holds {size_bytes:,} bytes or more, the limit is {_size(limit)}; send "
            "less in one call",
            status=413,
        )


def _size(limit: int) -> str:
    return f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"


def _is_gzip(request: Request) -> bool:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "x-gzip", "identity", ""):
        raise BadBody(
            f"Content-Encoding is {ascii(encoding)[:80]}, expected gzip or none", status=415
        )
    return encoding in ("gzip", "x-gzip")


def _unpack(packed: bytearray, limit: int) -> bytearray:
    """Unpack gzip, of one member or several, piece by piece up to the limit; raise BadBody."""
    body = bytearray()
    try:
        for piece in _pieces(bytes(packed)):
            body += piece
            _check_size(len(body), limit)
    except zlib.error as error:
        raise BadBody(
            f"the body is not gzip, although Content-Encoding says so ({error}); send it again"
        ) from error
    return body


def _pieces(packed: bytes) -> Iterator[bytes]:
    while packed:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            piece = member.decompress(packed, _PIECE_BYTES)
            yield piece
            packed = member.unused_data if member.eof else member.unconsumed_tail
            if not piece and not packed and not member.eof:
                raise BadBody("the gzip body ends too early; send it again")
