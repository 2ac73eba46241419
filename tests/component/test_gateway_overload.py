"""A real gateway with more calls than it can answer: what waits too long is refused quickly, and probes cost nothing."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.http.record_bodies import MAX_CALL_BYTES
from gateway.services import ANSWERS_AT_ONCE, MAX_BODIES_BYTES
from tests.component import story
from tests.component.gateway_process import House, StandIn, gateway, settings_in

WAIT_S = 20.0
MODEL_S = 1.0  # the model's time, of which a call waits half for its turn
PLAIN_CALL = (
    b"GET /v1/recommendations/ann?k=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    story.tell(tmp_path / "ledger.db").close()
    model = StandIn()
    plain = settings_in(tmp_path, inference_port=model.port)
    settings = replace(plain, gateway=replace(plain.gateway, inference_timeout_s=MODEL_S))
    with gateway(settings) as client:
        yield House(client=client, settings=settings, model=model)
    model.stop()


def connect(client: httpx.Client, stack: ExitStack) -> socket.socket:
    address = (client.base_url.host, client.base_url.port or 80)
    return stack.enter_context(socket.create_connection(address, timeout=WAIT_S))


def answered(connection: socket.socket) -> tuple[bytes, dict[str, object]]:
    """Return head and JSON of the one answer on a connection."""
    content = b""
    while part := connection.recv(65536):
        content += part
    head, _, body = content.partition(b"\r\n\r\n")
    return head, dict(json.loads(body))


def test_who_would_wait_too_long_is_refused_and_the_others_are_answered(house: House) -> None:
    house.model.free.clear()
    with ExitStack() as stack:
        calls = [connect(house.client, stack) for _ in range(ANSWERS_AT_ONCE + 6)]
        for call in calls:
            call.sendall(PLAIN_CALL)
        answers = [answered(call) for call in calls]
    refused = [(head, body) for head, body in answers if head.startswith(b"HTTP/1.1 503")]
    assert len(refused) == 6
    for head, body in refused:
        assert b"\r\nretry-after: 1\r\n" in head.lower() + b"\r\n"
        assert "the gateway is overloaded" in str(body["error"])
    assert all(
        body.get("fallback") is True for head, body in answers if head.startswith(b"HTTP/1.1 200")
    )
    house.model.free.set()
    assert "fallback" not in house.client.get("/v1/recommendations/ann?k=1").json()


def test_bodies_take_no_more_memory_than_agreed(house: House) -> None:
    """Calls that stop just before their end hold what they sent; of one too many one is refused."""
    head = (
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        % MAX_CALL_BYTES
    )
    with ExitStack() as stack:
        holders = [
            connect(house.client, stack) for _ in range(MAX_BODIES_BYTES // MAX_CALL_BYTES + 1)
        ]
        for holder in holders:
            threading.Thread(
                target=send_quietly, args=(holder, head + b" " * (MAX_CALL_BYTES - 1)), daemon=True
            ).start()
        answered_ones, _, _ = select.select(holders, [], [], WAIT_S)
        answer = answered_ones[0].recv(65536)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer.lower()
    answer_later = house.client.post(
        "/v1/events", json={"user_id": "ann", "item_id": "5", "type": "view"}
    )
    assert answer_later.status_code == 202


def send_quietly(connection: socket.socket, content: bytes) -> None:
    """Send, until the other end wants no more."""
    with suppress(OSError):
        connection.sendall(content)


def test_probes_at_the_same_time_are_one_question(house: House) -> None:
    house.model.free.clear()
    with ExitStack() as stack:
        probes = [connect(house.client, stack) for _ in range(20)]
        for probe in probes:
            probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while not house.model.asked:
            assert house.client.get("/healthz").status_code == 200
        house.model.free.set()
        heads = [answered(probe)[0] for probe in probes]
    assert all(head.startswith(b"HTTP/1.1 200") for head in heads)
    assert len(house.model.asked) < len(probes) / 2
