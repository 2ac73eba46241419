"""Writes of one turn of the event loop are sent at once, in their order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from gateway.http.joined_writes import MAX_HELD_BYTES, JoinedWrites

Work = Callable[[JoinedWrites, socket.socket], Awaitable[None]]


def with_connection(work: Work) -> None:
    """Run something on a connection and its client's end, which does not block."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ours, clients = socket.socketpair()
        with ours, clients:
            clients.setblocking(False)
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            await work(JoinedWrites(transport, loop), clients)
            transport.abort()

    asyncio.run(run())


def test_head_and_body_arrive_together() -> None:
    async def work(joined: JoinedWrites, client: socket.socket) -> None:
        joined.write(b"head ")
        with pytest.raises(BlockingIOError):
            client.recv(100)
        joined.write(b"body")
        await asyncio.sleep(0)
        assert client.recv(100) == b"head body"
        joined.write(b"the next answer")
        await asyncio.sleep(0)
        assert client.recv(100) == b"the next answer"

    with_connection(work)


def test_a_large_answer_is_not_held_whole() -> None:
    async def work(joined: JoinedWrites, client: socket.socket) -> None:
        joined.write(b"head ")
        joined.write(b"a" * MAX_HELD_BYTES)
        assert client.recv(6) == b"head a"

    with_connection(work)


def test_what_was_written_is_sent_before_the_end() -> None:
    async def work(joined: JoinedWrites, client: socket.socket) -> None:
        joined.write(b"goodbye")
        joined.close()
        assert client.recv(100) == b"goodbye"
        await asyncio.sleep(0)
        assert client.recv(100) == b""

    with_connection(work)


def test_nothing_is_sent_after_an_abort() -> None:
    async def work(joined: JoinedWrites, client: socket.socket) -> None:
        joined.write(b"too late")
        joined.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert client.recv(100) == b""

    with_connection(work)
