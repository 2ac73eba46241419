"""Closed-loop HTTP load: N connections, each sends its next request when the last was answered.

Knows keep-alive connections and a clock; does not know what is served. The client shares the
machine's cores with the server, so its figures are a floor of what the server does.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What one or more connections saw: latencies of the 200s, and every other outcome."""

    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def percentile_ms(self, share: float) -> float:
        """Return a latency percentile in milliseconds (nearest rank)."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def rate(self) -> float:
        """Return answered requests a second."""
        return len(self.latencies_s) / self.seconds


@contextmanager
def load(
    port: int, path: str, body: Callable[[int], object], *, connections: int, pause_s: float = 0.0
) -> Iterator[Tally]:
    """Keep the load up while the block runs; the tally is complete when it ends.

    With a pause each connection is kept and rests before its next request.
    """
    stop = threading.Event()
    tallies = [Tally() for _ in range(connections)]
    threads = [
        threading.Thread(
            target=_connection,
            args=(port, path, body, tally, _Seat(stop, seat * 1_000_003, pause_s)),
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


@dataclass(frozen=True, slots=True)
class _Seat:
    """One connection's: when to end, its first number, its rest."""

    stop: threading.Event
    number: int
    pause_s: float


def _connection(
    port: int, path: str, body: Callable[[int], object], tally: Tally, seat: _Seat
) -> None:
    stop, number = seat.stop, seat.number
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not stop.is_set():
        payload = json.dumps(body(number)).encode()
        number += 1
        started = time.perf_counter()
        try:
            connection.request("POST", path, payload, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            tally.failures.append(repr(error))
            connection.close()
            continue
        if response.status == 200:
            tally.latencies_s.append(time.perf_counter() - started)
        else:
            tally.failures.append(f"{response.status} {answer[:200]!r}")
        if seat.pause_s:
            stop.wait(seat.pause_s)
    connection.close()
