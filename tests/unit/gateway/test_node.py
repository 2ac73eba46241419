"""One TorchServe node: what counts as its failure, and how long its breaks are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from cron.urls.torchserve import parse as parse_nodes
from gateway.model.answers import ModelQuestion, NoAnswer, Ranked
from gateway.model.node import TRIES_AT_ONCE, ModelNode
from gateway.waiting_queue import Overloaded
from tests.component.gateway_process import StandIn
from tests.ports import free_port

WAIT_S = 60.0
QUESTION = ModelQuestion(content=json.dumps({"user_seq": [], "k": 1}).encode(), answer_type=Ranked)


@pytest.fixture
def model() -> Iterator[StandIn]:
    model = StandIn()
    yield model
    model.stop()


def with_node(port: int, work: Callable[[ModelNode], Awaitable[None]]) -> None:
    """Run something on a node at a port."""

    async def run() -> None:
        (place,) = parse_nodes(f"torchserve://127.0.0.1:1/rec?inference={port}")
        node = ModelNode(place)
        await work(node)
        node.close()

    asyncio.run(run())


async def ask(node: ModelNode) -> list[str]:
    """Return the ids of the items that a node answers."""
    answer = await node.ask(QUESTION, None, timeout_s=WAIT_S, connect_s=WAIT_S)
    assert isinstance(answer, Ranked)
    return [item.id for item in answer.items]


def test_a_node_recovers_after_thousands_of_failures(model: StandIn) -> None:
    """An exponent once overflowed after 1,025 failures, and the gateway answered 500 since."""

    async def work(node: ModelNode) -> None:
        model.status = 503
        for _ in range(3):
            with pytest.raises(NoAnswer):
                await ask(node)
            node.fail()
        for _ in range(2_000):
            node.fail()
        model.status = 200
        assert await ask(node) == ["7"]
        assert not node.failed_last

    with_node(model.port, work)


def test_breaks_grow_to_five_seconds_and_no_further() -> None:
    (place,) = parse_nodes("torchserve://127.0.0.1:1/rec?inference=9")
    node = ModelNode(place, clock=lambda: 100.0)
    breaks_s = []
    for _ in range(2_000):
        node.fail()
        breaks_s.append(node.out_until - 100.0)
    assert breaks_s[:5] == [0.5, 1.0, 2.0, 4.0, 5.0]
    assert set(breaks_s[5:]) == {5.0}
    node.close()


def test_an_unreadable_answer_is_the_nodes_failure(model: StandIn) -> None:
    async def work(node: ModelNode) -> None:
        model.content = b"[" * 100_000
        with pytest.raises(NoAnswer, match="unexpected form"):
            await ask(node)

    with_node(model.port, work)


def test_an_answer_that_is_not_http_is_the_nodes_failure() -> None:
    async def work(_: ModelNode) -> None:
        async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        (place,) = parse_nodes(
            f"torchserve://127.0.0.1:1/rec?inference={server.sockets[0].getsockname()[1]}"
        )
        with pytest.raises(NoAnswer, match="does not answer"):
            await ask(ModelNode(place))
        server.close()

    with_node(9, work)


def test_a_connection_closed_by_the_server_costs_no_answer() -> None:
    """Like TorchServe with idle ones, the server closes each connection at its second request."""
    body = json.dumps({"items": [], "model_version": 3}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    async def work(_: ModelNode) -> None:
        num_answered = 0

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal num_answered
            await reader.readuntil(QUESTION.content)
            num_answered += 1
            writer.write(answer)
            try:
                with suppress(asyncio.IncompleteReadError):
                    await reader.readuntil(QUESTION.content)
            finally:
                writer.close()

        server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
        (place,) = parse_nodes(
            f"torchserve://127.0.0.1:1/rec?inference={server.sockets[0].getsockname()[1]}"
        )
        node = ModelNode(place)
        assert [await ask(node), await ask(node)] == [[], []]
        node.close()
        assert num_answered == 2
        server.close()

    with_node(9, work)


def test_only_a_few_calls_try_a_hanging_node(model: StandIn) -> None:
    async def work(node: ModelNode) -> None:
        node.fail()
        model.free.clear()
        trying = [asyncio.create_task(ask(node)) for _ in range(TRIES_AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(NoAnswer, match="other calls are trying"):
            await ask(node)
        model.free.set()
        await asyncio.gather(*trying)
        assert await ask(node) == ["7"]

    with_node(model.port, work)


def test_a_busy_model_has_not_failed(model: StandIn) -> None:
    async def work(node: ModelNode) -> None:
        model.status = 503
        with pytest.raises(NoAnswer):
            await ask(node)
        node.fail()
        model.status = 429
        with pytest.raises(Overloaded, match="busy with the texts"):
            await ask(node)
        assert not node.failed_last

    with_node(model.port, work)


def test_a_closed_port_is_no_answer() -> None:
    async def work(node: ModelNode) -> None:
        with pytest.raises(NoAnswer, match="does not answer"):
            await ask(node)

    with_node(free_port(), work)
