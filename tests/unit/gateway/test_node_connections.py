"""The client of TorchServe: which answers it reads, and which connections it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress

import pytest

from cron.urls.torchserve import parse as parse_nodes
from gateway.model.node_connections import Disconnected, HttpAnswer, NodeConnections, NotHttp

WAIT_S = 60.0
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def with_server(
    answers: Sequence[Sequence[bytes]], work: Callable[[NodeConnections], Awaitable[None]]
) -> int:
    """Run something on a server that sends these pieces for each request; count connections."""
    num_connections = 0
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal num_connections
        num_connections += 1
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while left:
                await reader.readuntil(b"question")
                await send_all(writer, left.pop(0))

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        (place,) = parse_nodes(f"torchserve://127.0.0.1:1/rec?inference={port}")
        connections = NodeConnections(place)
        await work(connections)
        connections.close()
        server.close()

    asyncio.run(run())
    return num_connections


async def send_all(writer: asyncio.StreamWriter, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


async def ask(connections: NodeConnections) -> HttpAnswer:
    return await connections.post("/predictions/rec", b"question", {}, connect_s=WAIT_S)


@pytest.mark.parametrize(
    ("pieces", "content"),
    [
        ([PLAIN], b"{}"),
        ([PLAIN[:20], PLAIN[20:40], PLAIN[40:]], b"{}"),
        ([CHUNKED], b"{}"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", PLAIN], b"{}"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], b""),
    ],
    ids=["whole", "in pieces", "chunked", "after an interim answer", "empty"],
)
def test_an_answer_is_read_in_every_form(pieces: list[bytes], content: bytes) -> None:
    async def work(connections: NodeConnections) -> None:
        assert await ask(connections) == HttpAnswer(200, content)
        assert await ask(connections) == HttpAnswer(200, content)

    assert with_server([pieces, pieces], work) == 1


def test_a_server_that_closes_gets_a_new_connection() -> None:
    closing = PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    async def work(connections: NodeConnections) -> None:
        for _ in range(2):
            assert (await ask(connections)).content == b"{}"

    assert with_server([[closing], [closing]], work) == 2


def test_calls_at_the_same_time_have_their_own_connections() -> None:
    async def work(connections: NodeConnections) -> None:
        await asyncio.gather(ask(connections), ask(connections))
        await ask(connections)

    assert with_server([[PLAIN]] * 3, work) == 2


def test_the_answer_to_a_cancelled_call_reaches_nobody() -> None:
    other = PLAIN.replace(b"{}", b"[]")

    async def work(connections: NodeConnections) -> None:
        await ask(connections)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await ask(connections)
        assert (await ask(connections)).content in (b"[]", b"{}")
        assert (await ask(connections)).content == b"[]"

    assert with_server([[PLAIN], [other], [other], [other]], work) >= 2


def test_half_an_answer_is_an_error() -> None:
    async def work(connections: NodeConnections) -> None:
        with pytest.raises(ConnectionError):
            await ask(connections)

    with_server([[PLAIN[:-1]]], work)


def test_after_half_an_answer_nothing_is_asked_again() -> None:
    """The server works on the question, so it is not a kept connection that was closed as idle."""

    async def work(connections: NodeConnections) -> None:
        await ask(connections)
        with pytest.raises(Disconnected):
            await ask(connections)

    assert with_server([[PLAIN], [PLAIN[:-1]]], work) == 1


def test_a_second_answer_is_not_that_to_the_next_question() -> None:
    async def work(connections: NodeConnections) -> None:
        assert (await ask(connections)).content == b"{}"
        assert (await ask(connections)).content == b"[]"

    other = PLAIN.replace(b"{}", b"[]")
    assert with_server([[PLAIN + PLAIN], [other]], work) == 2


def test_another_protocol_is_an_error() -> None:
    async def work(connections: NodeConnections) -> None:
        with pytest.raises(NotHttp):
            await ask(connections)

    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    with_server([[b"SSH-2.0-OpenSSH_9.6\r\n"]], work)
    with_server([[upgrade]], work)
