"""Closed-loop HTTP load: each connection sends its next request after the last answer.

The client shares the machine's cores with the server, so the server can do at least what is
measured.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """The results of one or more connections: latencies of the 200s, and every failure."""

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
    """Keep the load up while the block runs; the tally is complete when the block ends.

    With a pause each connection stays open and waits before its next request.
    """
    stop = threading.Event()
    tallies = [Tally() for _ in range(connections)]
    threads = [
        threading.Thread(
            target=_connection,
            args=(port, path, map(body, itertools.count(seat * 1_000_003)), tally, stop, pause_s),
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


def _connection(
    port: int,
    path: str,
    bodies: Iterator[object],
    tally: Tally,
    stop: threading.Event,
    pause_s: float,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not stop.is_set():
        payload = json.dumps(next(bodies)).encode()
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
        if pause_s:
            stop.wait(pause_s)
    connection.close()
