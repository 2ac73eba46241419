"""A stand-in for TorchServe that costs little: batches of at most 32, one after the other, each with a fixed time.

Speaks only what the gateway needs of that protocol. Knows no model, so a bench on it measures the
gateway alone.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

BATCH = 32
BATCH_S, CALL_S = (
    0.005,
    0.001,
)  # of a batch, and of each call in it: the default model on a quiet core
_ITEMS = [
    {"id": str(n), "title": f"Film {n} (1995)", "score": 5 - n / 10, "rating": 4.2}
    for n in range(10)
]
_CONTENT = json.dumps({"items": _ITEMS, "resolved": [], "model_version": 1}).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
    _CONTENT
)

Call = asyncio.Future[None]


def serve_model(port: int) -> None:
    """Answer until the process is ended."""
    asyncio.run(_serve(port))


async def _serve(port: int) -> None:
    waiting: asyncio.Queue[Call] = asyncio.Queue()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(
                    int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
                )
                call: Call = asyncio.get_running_loop().create_future()
                waiting.put_nowait(call)
                await call
                writer.write(_HEAD + _CONTENT)
        writer.close()

    async with await asyncio.start_server(connection, "127.0.0.1", port, backlog=1024):
        while True:
            await _answer_batch(waiting)


async def _answer_batch(waiting: asyncio.Queue[Call]) -> None:
    batch = [await waiting.get()]
    while not waiting.empty() and len(batch) < BATCH:
        batch.append(waiting.get_nowait())
    await asyncio.sleep(BATCH_S + CALL_S * len(batch))
    for call in batch:
        if not call.done():
            call.set_result(None)
