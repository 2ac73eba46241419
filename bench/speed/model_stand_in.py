"""A cheap replacement for TorchServe: batches of at most 32, each with a fixed time.

It implements only what the gateway needs of the protocol and has no model, so a bench with it
measures the gateway alone.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

BATCH = 32
# Seconds per batch and per call in it: the default model on a quiet core.
BATCH_S, CALL_S = 0.005, 0.001
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
    """Answer until the process is stopped."""
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
