"""Connections that stall, do not read, or are too many: each ends, and others are served."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from gateway.content.record_bodies import MAX_CALL_BYTES
from gateway.http.connections import ConnectionLimits
from tests.component.gateway_process import (
    RunningGateway,
    StandIn,
    gateway,
    run_gateway,
    settings_in,
)

WAIT_S = 60.0  # of a test for what must happen; nothing is waited out
# long enough for a busy machine to send what a test sends at once
HASTY = ConnectionLimits(headers_s=2.0, body_s=2.0, body_bytes_s=1_000_000, reader_s=2.0)
FEW = ConnectionLimits(connections=20, headers_s=10 * WAIT_S, body_s=10 * WAIT_S)
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@contextmanager
def gateway_with(
    tmp_path: Path, story_ledger: Path, limits: ConnectionLimits
) -> Iterator[RunningGateway]:
    with run_gateway(tmp_path, story_ledger, limits=limits) as running:
        yield running


@contextmanager
def connection_to(client: httpx.Client) -> Iterator[socket.socket]:
    with socket.create_connection(
        (client.base_url.host, client.base_url.port or 80), timeout=WAIT_S
    ) as connection:
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    """Read until the server closes; fail when it does not."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def answer_from(connection: socket.socket) -> bytes:
    """Read one answer of JSON."""
    answer = b""
    while not answer.endswith(b"}\n"):
        part = connection.recv(65536)
        assert part, answer
        answer += part
    return answer


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", b""),
        (b"GET /healthz HT", b"the headers of the request took too long"),
        (HEAD, b"the headers of the request took too long"),
        (HEAD + b"Content-Length: 100\r\n\r\n[", b"the body of the request took too long"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n",
            b"the body of the request took too long",
        ),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b'{"status":"alive"}'),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal", b'{"status":"alive"}'),
    ],
    ids=[
        "nothing",
        "half a line",
        "no end of headers",
        "half a body",
        "an endless body",
        "idle after an answer",
        "half a second request",
    ],
)
def test_a_stalled_connection_is_closed(
    tmp_path: Path, story_ledger: Path, sent: bytes, says: bytes
) -> None:
    with (
        gateway_with(tmp_path, story_ledger, HASTY) as running,
        connection_to(running.client) as connection,
    ):
        connection.sendall(sent)
        answer = rest_of(connection)
        assert says in answer
        assert (b" 408 " in answer) == (b"took too long" in says)


def test_a_slow_but_steady_body_is_read(tmp_path: Path, story_ledger: Path) -> None:
    """Each byte adds time, so only a connection that stops is closed, not a slow one."""
    body = json.dumps({"user_id": "ann", "item_id": "5", "type": "view"}).encode()
    limits = ConnectionLimits(headers_s=WAIT_S, body_s=0.05, body_bytes_s=1, reader_s=WAIT_S)
    with (
        gateway_with(tmp_path, story_ledger, limits) as running,
        connection_to(running.client) as connection,
    ):
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:40])
        for _ in range(50):  # far longer than the time of a body that brings nothing
            running.client.get("/healthz")
        connection.sendall(body[40:])
        assert b" 202 " in answer_from(connection)


def test_a_client_that_does_not_read_is_disconnected(tmp_path: Path, story_ledger: Path) -> None:
    with gateway_with(tmp_path, story_ledger, HASTY) as running:
        running.model.body = {
            "items": [
                {"id": str(number), "title": "x" * 5_000, "score": 1.0} for number in range(1_000)
            ],
            "model_version": 3,
        }
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(WAIT_S)
            connection.connect((running.client.base_url.host, running.client.base_url.port or 80))
            connection.sendall(
                b"GET /v1/recommendations/ann?k=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            open_until_reset(connection)


def open_until_reset(connection: socket.socket) -> None:
    """Send until the other end closes the connection; read nothing."""
    with suppress(BrokenPipeError, ConnectionResetError):
        while True:
            connection.sendall(b"G")


def test_half_open_connections_shut_nobody_out(tmp_path: Path, story_ledger: Path) -> None:
    """1,100 of them once blocked a gateway: never closed, they used up its 1,024 files."""
    with gateway_with(tmp_path, story_ledger, FEW) as running:
        idle = []
        for number in range(3 * FEW.connections):
            idle.append(
                socket.create_connection(
                    (running.client.base_url.host, running.client.base_url.port or 80),
                    timeout=WAIT_S,
                )
            )
            idle[-1].sendall(b"GET /hea" if number % 2 else HEAD + b"Content-Length: 9\r\n\r\n")
        with httpx.Client(
            base_url=running.client.base_url, timeout=WAIT_S, trust_env=False
        ) as newcomer:
            assert newcomer.get("/healthz").status_code == 200
        assert rest_of(idle[0]) == b""  # the oldest one made room
        for connection in idle:
            connection.close()


def test_a_call_at_work_is_never_closed_for_a_newcomer(tmp_path: Path, story_ledger: Path) -> None:
    with (
        gateway_with(tmp_path, story_ledger, FEW) as running,
        connection_to(running.client) as at_work,
    ):
        running.model.free.clear()
        at_work.sendall(b"GET /v1/recommendations/ann?k=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not running.model.asked:
            assert running.client.get("/healthz").status_code == 200
        many = [
            socket.create_connection(
                (running.client.base_url.host, running.client.base_url.port or 80)
            )
            for _ in range(2 * FEW.connections)
        ]
        running.model.free.set()
        assert b'"id":"7"' in answer_from(at_work)
        at_work.close()
        for connection in many:
            connection.close()


@pytest.mark.parametrize("num_bytes", [1, 65_536])
def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(
    tmp_path: Path, story_ledger: Path, num_bytes: int
) -> None:
    """It has no Content-Length and no end, so waiting for the end would take forever."""
    piece = b" " * 65_536
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
    with (
        gateway_with(tmp_path, story_ledger, ConnectionLimits()) as running,
        connection_to(running.client) as connection,
    ):
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(MAX_CALL_BYTES // len(piece)):
            connection.sendall(chunk)
        last = b" " * num_bytes
        connection.sendall(b"%x\r\n%s\r\n" % (len(last), last))
        answer = answer_from(connection)
        assert b" 413 " in answer
        assert b"32 MiB" in answer


def test_the_rest_of_a_refused_body_is_not_read_forever(tmp_path: Path, story_ledger: Path) -> None:
    with (
        gateway_with(tmp_path, story_ledger, HASTY) as running,
        connection_to(running.client) as connection,
    ):
        connection.sendall(HEAD + b"Content-Length: 999999999\r\n\r\n[")
        assert b" 413 " in rest_of(connection)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
    ids=[
        "TLS",
        "no HTTP",
        "endless headers",
        "long headers",
        "a negative length",
        "no host",
        "two hosts",
    ],
)
def test_invalid_http_is_refused_as_json(tmp_path: Path, story_ledger: Path, sent: bytes) -> None:
    with (
        gateway_with(tmp_path, story_ledger, ConnectionLimits()) as running,
        connection_to(running.client) as connection,
    ):
        with suppress(ConnectionError):
            connection.sendall(sent)
        head, _, body = rest_of(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["error"]["field"] == "request"


def test_what_is_wrong_after_a_call_is_answered_after_it(
    tmp_path: Path, story_ledger: Path
) -> None:
    with (
        gateway_with(tmp_path, story_ledger, ConnectionLimits()) as running,
        connection_to(running.client) as connection,
    ):
        call = b"GET /v1/recommendations/%s?k=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(call % b"ann" + call % b"a#b" + b"GARBAGE\r\n\r\n")
        answer = rest_of(connection)
        assert [answer.count(b"HTTP/1.1 %d" % status) for status in (200, 400)] == [2, 1]
        places = [answer.index(text) for text in (b'"ann"', b'"a#b"', b'"request"')]
        assert places == sorted(places)


def test_a_hanging_model_does_not_delay_the_fallback(tmp_path: Path, story_ledger: Path) -> None:
    """Only a few calls wait for a failing model server; the others get popular items at once."""
    model = StandIn()
    settings = settings_in(tmp_path, inference_port=model.port)
    shutil.copy(story_ledger, tmp_path / "ledger.db")
    with gateway(settings) as client:
        model.status = 503
        assert client.get("/v1/recommendations/ann").json()["fallback"] is True
        model.free.clear()
        waiting = [
            socket.create_connection((client.base_url.host, client.base_url.port or 80))
            for _ in range(4)
        ]
        asked = len(model.asked)
        for connection in waiting:
            connection.sendall(b"GET /v1/recommendations/ann HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while len(model.asked) < asked + len(waiting):
            assert client.get("/healthz").status_code == 200
        assert "other calls are trying it" in client.get("/v1/recommendations/ann").json()["reason"]
        model.free.set()
        for connection in waiting:
            connection.close()
    model.stop()
