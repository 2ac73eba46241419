"""One TorchServe node as the gateway sees it: failures are counted as its own, for however long they go on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import aiohttp
import pytest

from cron.urls.torchserve import parse as parse_nodes
from gateway.model.node import TRIES_AT_ONCE, NoAnswer, Node
from gateway.waiting_queue import Overloaded
from tests.component.gateway_process import StandIn

WAIT_S = 10.0
QUESTION = json.dumps({"user_seq": [], "k": 1}).encode()


@pytest.fixture
def model() -> Iterator[StandIn]:
    model = StandIn()
    yield model
    model.stop()


def with_node(port: int, work: Callable[[Node], Awaitable[None]]) -> None:
    """Run something on a node at a port."""

    async def run() -> None:
        (place,) = parse_nodes(f"torchserve://127.0.0.1:1/rec?inference={port}")
        async with aiohttp.ClientSession() as client:
            await work(Node(place, client))

    asyncio.run(run())


async def ask(node: Node) -> object:
    return (await node.predict(QUESTION, None, timeout_s=WAIT_S, connect_s=WAIT_S)).body


def test_a_node_that_fails_a_thousand_times_comes_back(model: StandIn) -> None:
    """A counter in an exponent overflowed after 1,025 failures, and the gateway answered 500 from then on."""

    async def work(node: Node) -> None:
        model.status = 503
        for _ in range(3):
            with pytest.raises(NoAnswer):
                await ask(node)
            node.failed()
        for _ in range(2_000):
            node.failed()
        model.status = 200
        assert await ask(node) == {**dict(model.body), "items": model.body["items"][:1]}  # type: ignore[index, call-overload]
        assert not node.failed_last

    with_node(model.port, work)


def test_breaks_grow_to_five_seconds_and_no_further() -> None:
    async def work(node: Node) -> None:
        breaks_s = []
        for _ in range(2_000):
            node.failed()
            breaks_s.append(round(node.out_until - asyncio.get_running_loop().time(), 1))
        assert breaks_s[:5] == [0.5, 1.0, 2.0, 4.0, 5.0]
        assert set(breaks_s[5:]) == {5.0}

    with_node(9, work)


def test_an_answer_that_breaks_the_reader_is_a_failure_of_its_node(model: StandIn) -> None:
    async def work(node: Node) -> None:
        model.content = b"[" * 100_000
        with pytest.raises(NoAnswer, match="RecursionError"):
            await ask(node)

    with_node(model.port, work)


def test_an_answer_that_is_no_http_is_a_failure_of_its_node() -> None:
    async def work(_: Node) -> None:
        async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        (place,) = parse_nodes(
            f"torchserve://127.0.0.1:1/rec?inference={server.sockets[0].getsockname()[1]}"
        )
        async with aiohttp.ClientSession() as client:
            with pytest.raises(NoAnswer, match="does not answer"):
                await ask(Node(place, client))
        server.close()

    with_node(9, work)


def test_a_connection_that_the_server_closed_meanwhile_costs_no_answer() -> None:
    """The first connection answers once and is closed at the next request, as TorchServe does with idle ones."""
    body = json.dumps({"items": []}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    async def work(_: Node) -> None:
        num_answered = 0

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal num_answered
            await reader.readuntil(QUESTION)
            num_answered += 1
            writer.write(answer)
            with suppress(asyncio.IncompleteReadError):
                await reader.readuntil(QUESTION)
            writer.close()

        server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
        (place,) = parse_nodes(
            f"torchserve://127.0.0.1:1/rec?inference={server.sockets[0].getsockname()[1]}"
        )
        async with aiohttp.ClientSession() as client:
            node = Node(place, client)
            assert [await ask(node), await ask(node)] == [{"items": []}] * 2
        assert num_answered == 2
        server.close()

    with_node(9, work)


def test_of_a_node_that_hangs_few_calls_wait(model: StandIn) -> None:
    async def work(node: Node) -> None:
        node.failed()
        model.free.clear()
        trying = [asyncio.create_task(ask(node)) for _ in range(TRIES_AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(NoAnswer, match="other calls are trying"):
            await ask(node)
        model.free.set()
        await asyncio.gather(*trying)
        assert await ask(node)

    with_node(model.port, work)


def test_a_model_that_is_busy_with_texts_has_not_failed(model: StandIn) -> None:
    async def work(node: Node) -> None:
        model.status = 503
        with pytest.raises(NoAnswer):
            await ask(node)
        node.failed()
        model.status = 429
        with pytest.raises(Overloaded, match="much to read"):
            await ask(node)
        assert not node.failed_last

    with_node(model.port, work)


def test_a_closed_port_is_no_answer() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = int(closed.getsockname()[1])

    async def work(node: Node) -> None:
        with pytest.raises(NoAnswer, match="does not answer"):
            await ask(node)

    with_node(port, work)
