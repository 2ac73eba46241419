"""The load generator counts answers, reads long bodies whole, and records failures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.speed.load import Tally, load, metrics_of

ENOUGH = 12


class Handler(BaseHTTPRequestHandler):
    """Answers /right with a long body, any other path with 503, and closes after some answers."""

    protocol_version = "HTTP/1.1"
    wbufsize = 0
    num_answered = 0
    enough = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Handler.num_answered += 1
        if Handler.num_answered % 5 == 0:
            self.close_connection = True
            return
        body = b"x" * 200_000
        self.send_response(200 if self.path == "/right" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:70_000])
        self.wfile.write(body[70_000:])
        if Handler.num_answered > ENOUGH:
            Handler.enough.set()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    Handler.num_answered, Handler.enough = 0, threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def ask(port: int, path: str) -> Tally:
    with load(port, path, lambda number: {"number": number}, connections=2) as tally:
        assert Handler.enough.wait(timeout=60)
    return tally


def test_answers_are_counted_and_closed_connections_reopened(port: int) -> None:
    tally = ask(port, "/right")
    assert len(tally.latencies_s) >= ENOUGH - 5
    assert tally.failures
    assert all("closed the connection" in failure for failure in tally.failures)
    rows = metrics_of("a load", tally)
    assert rows[0].value == pytest.approx(tally.rate)
    assert rows[-1].value == len(tally.failures)


def test_another_status_is_a_failure(port: int) -> None:
    tally = ask(port, "/wrong")
    assert not tally.latencies_s
    assert any(failure.startswith("503 ") for failure in tally.failures)
