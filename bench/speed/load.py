"""Closed-loop HTTP load: each connection sends its next request after the last answer.

The client shares the machine's cores with the server, so the server can do at least what is
measured.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.report.rows import BenchMetric


@dataclass(slots=True)
class Tally:
    """The results of one or more connections: latencies of the good answers, and failures."""

    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def percentile_ms(self, share: float) -> float:
        """Return a latency percentile in milliseconds (nearest rank)."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def rate(self) -> float:
        """The answered requests a second."""
        return len(self.latencies_s) / self.seconds


@contextmanager
def load(
    port: int, path: str, body: Callable[[int], object], *, connections: int, pause_s: float = 0.0
) -> Iterator[Tally]:
    """Post bodies while the block runs; the tally is complete when the block ends."""

    def request(number: int) -> bytes:
        return _request(path, json.dumps(body(number)).encode())

    with load_requests(port, request, connections=connections, pause_s=pause_s) as tally:
        yield tally


@contextmanager
def load_requests(
    port: int, request: Callable[[int], bytes], *, connections: int, pause_s: float = 0.0
) -> Iterator[Tally]:
    """Send whole requests while the block runs; the tally is complete when the block ends.

    With a pause each connection stays open and waits before its next request.
    """
    stop = threading.Event()
    tallies = [Tally() for _ in range(connections)]
    threads = [
        threading.Thread(
            target=_connection,
            args=(port, map(request, itertools.count(seat * 1_000_003)), tally, stop, pause_s),
        )
        for seat, tally in enumerate(tallies)
    ]
    total = Tally()
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        yield total
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        total.seconds = time.perf_counter() - started
        for tally in tallies:
            total.latencies_s += tally.latencies_s
            total.failures += tally.failures


def metrics_of(name: str, tally: Tally) -> list[BenchMetric]:
    """Return the rate, the latencies and the failures as rows."""
    return [
        BenchMetric(
            metric=f"{name}: requests",
            value=tally.rate,
            unit="1/s",
            note=f"{len(tally.latencies_s):,} answered",
        ),
        BenchMetric(metric=f"{name}: p50", value=tally.percentile_ms(0.5), unit="ms"),
        BenchMetric(metric=f"{name}: p99", value=tally.percentile_ms(0.99), unit="ms"),
        BenchMetric(
            metric=f"{name}: failed",
            value=len(tally.failures),
            unit="1",
            note="; ".join(sorted(set(tally.failures)))[:200],
        ),
    ]


def _connection(
    port: int,
    requests: Iterator[bytes],
    tally: Tally,
    stop: threading.Event,
    pause_s: float,
) -> None:
    connection: socket.socket | None = None
    while not stop.is_set():
        request = next(requests)
        started = time.perf_counter()
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", port), timeout=30)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(request)
            status, answer = _response(connection)
        except (OSError, ValueError) as error:
            tally.failures.append(repr(error))
            if connection is not None:
                connection.close()
                connection = None
            continue
        if status in (200, 202):
            tally.latencies_s.append(time.perf_counter() - started)
        else:
            tally.failures.append(f"{status} {answer[:200]!r}")
        if pause_s:
            stop.wait(pause_s)
    if connection is not None:
        connection.close()


def _request(path: str, payload: bytes) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(payload)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def _response(connection: socket.socket) -> tuple[int, bytes]:
    """Return the status and body of a response that states its length, as TorchServe's do.

    It takes a fifth of the time that `http.client` does, which the server would lack.
    """
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += _receive(connection)
    return int(head.split(b" ", 2)[1]), body


def _receive(connection: socket.socket) -> bytes:
    part = connection.recv(1 << 16)
    if not part:
        raise ConnectionError("the server closed the connection before the end of its answer")
    return part
