"""More calls than the gateway can answer: some are refused quickly, and probes stay cheap."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from gateway.content.record_bodies import MAX_CALL_BYTES
from gateway.services import ANSWERS_AT_ONCE, MAX_BODIES_BYTES
from tests.component.gateway_process import (
    RunningGateway,
    run_gateway,
)

WAIT_S = 60.0
MODEL_S = 8.0  # the model's time, of which a call waits half for its turn
PLAIN_CALL = (
    b"GET /v1/recommendations/ann?k=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
)


@pytest.fixture
def running(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway whose calls wait half of MODEL_S for their turn."""
    with run_gateway(tmp_path, story_ledger, timeout_s=MODEL_S) as running:
        yield running


def connect(client: httpx.Client, stack: ExitStack) -> socket.socket:
    address = (client.base_url.host, client.base_url.port or 80)
    return stack.enter_context(socket.create_connection(address, timeout=WAIT_S))


def read_answer(connection: socket.socket) -> tuple[bytes, dict[str, object]]:
    """Return head and JSON of the one answer on a connection."""
    content = b""
    while part := connection.recv(65536):
        content += part
    head, _, body = content.partition(b"\r\n\r\n")
    return head, dict(json.loads(body))


def test_calls_that_would_wait_too_long_are_refused(running: RunningGateway) -> None:
    running.model.free.clear()
    with ExitStack() as stack:
        calls = [connect(running.client, stack) for _ in range(ANSWERS_AT_ONCE + 6)]
        for call in calls:
            call.sendall(PLAIN_CALL)
        answers = [read_answer(call) for call in calls]
    refused = [(head, body) for head, body in answers if head.startswith(b"HTTP/1.1 503")]
    assert len(refused) == 6
    for head, body in refused:
        assert b"\r\nretry-after: 1\r\n" in head.lower() + b"\r\n"
        assert "the gateway is overloaded" in str(body["error"])
    assert all(
        body.get("fallback") is True for head, body in answers if head.startswith(b"HTTP/1.1 200")
    )
    running.model.free.set()
    assert "fallback" not in running.client.get("/v1/recommendations/ann?k=1").json()


def test_bodies_in_memory_are_limited(running: RunningGateway) -> None:
    """Unfinished calls hold the bytes they sent; with one call too many, one is refused."""
    head = (
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        % MAX_CALL_BYTES
    )
    with ExitStack() as stack:
        holders = [
            connect(running.client, stack) for _ in range(MAX_BODIES_BYTES // MAX_CALL_BYTES + 1)
        ]
        for holder in holders:
            threading.Thread(
                target=send_quietly, args=(holder, head + b" " * (MAX_CALL_BYTES - 1)), daemon=True
            ).start()
        answered_ones, _, _ = select.select(holders, [], [], WAIT_S)
        answer = answered_ones[0].recv(65536)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer.lower()
    answer_later = running.client.post(
        "/v1/events", json={"user_id": "ann", "item_id": "5", "type": "view"}
    )
    assert answer_later.status_code == 202


def send_quietly(connection: socket.socket, content: bytes) -> None:
    """Send until the other end closes."""
    with suppress(OSError):
        connection.sendall(content)


def test_probes_at_the_same_time_are_one_question(running: RunningGateway) -> None:
    running.model.free.clear()
    with ExitStack() as stack:
        probes = [connect(running.client, stack) for _ in range(20)]
        for probe in probes:
            probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while not running.model.asked:
            assert running.client.get("/healthz").status_code == 200
        running.model.free.set()
        heads = [read_answer(probe)[0] for probe in probes]
    assert all(head.startswith(b"HTTP/1.1 200") for head in heads)
    assert len(running.model.asked) < len(probes) / 2
