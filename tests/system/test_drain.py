"""Requests that a version's worker holds are answered before the version goes.

`pendingRequests` does not count it, and with a batch of one nothing else is queued that it could.

.venv/bin/python -m pytest tests/system/test_drain.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from cron.backends.torchserve import server as server_torchserve
from cron.backends.torchserve.server import TorchServe
from cron.urls.torchserve import parse as parse_nodes
from tests.system.torchserve import Running, emptied_node, write_archive

SLOW_S = 3.0  # longer than the settling second and the looks around it
LIMIT_S = 60.0
HANDLER = b"""import json, pathlib, time
class WaitsOnRequest:
    def initialize(self, context): pass
    def handle(self, data, context):
        for request in data:
            body = json.loads(request["body"])
            if "begun" in body:
                pathlib.Path(body["begun"]).touch()
                time.sleep(body["wait_s"])
        return [{}] * len(data)
"""


@pytest.fixture
def server(node: Running) -> Iterator[TorchServe]:
    """Versions 1 and 2 answer one request at a time; 1 is the default."""
    with emptied_node(node) as server:
        for version in (1, 2):
            server.register(version, write_archive(node.store, version, handler=HANDLER))
        yield server


@pytest.fixture
def ask(node: Running, tmp_path: Path) -> Iterator[Callable[[str], Future[httpx.Response]]]:
    """Send a slow request; return its future answer once the worker is processing it."""
    with ThreadPoolExecutor(2) as pool:

        def slow(path: str) -> Future[httpx.Response]:
            begun = tmp_path / "begun"
            body = {"begun": str(begun), "wait_s": SLOW_S}
            asked = pool.submit(httpx.post, f"{node.predictions}{path}", json=body, timeout=LIMIT_S)
            ends_at = time.monotonic() + LIMIT_S
            while not begun.exists():
                assert time.monotonic() < ends_at, "the request never reached the worker"
                time.sleep(0.02)
            return asked

        yield slow


def test_running_requests_end_before_unregistering(
    server: TorchServe, ask: Callable[[str], Future[httpx.Response]]
) -> None:
    asked = ask("")
    server.set_live(2)
    assert [found.pending_requests for found in server.versions() if found.version == 1] == [0]
    server.unregister(1)
    assert asked.result().status_code == 200
    assert [found.version for found in server.versions()] == [2]


def test_a_routed_request_has_a_second_to_arrive(
    server: TorchServe, node: Running, ask: Callable[[str], Future[httpx.Response]]
) -> None:
    late: list[Future[httpx.Response]] = []

    def arrive(seconds: float) -> None:
        if seconds == server_torchserve._SETTLE_S and not late:
            late.append(ask("/1"))
        else:
            time.sleep(seconds)

    server.set_live(2)
    with closing(TorchServe(parse_nodes(node.url)[0], sleep=arrive)) as settling:
        settling.unregister(1)
    assert [one.result().status_code for one in late] == [200]
    assert [found.version for found in server.versions()] == [2]
