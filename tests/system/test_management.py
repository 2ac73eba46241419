"""Who may manage a real TorchServe: the owner of its socket, and nobody through any port.

.venv/bin/python -m pytest tests/system/test_management.py
"""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

import httpx
import psutil
import pytest

from cron.urls.management_socket import MAX_PATH_BYTES
from deploy.servers.management_door import Door
from tests.system.machine import until
from tests.system.torchserve import Running, emptied_node, running_torchserve
from trainer.archive import pack

PATHS = (
    "/models",
    "/models/x",
    "/v1/models",
    "/workflows",
    "/predictions/x",
    "/invocations",
    "/x/predict",
    "/",
)
METHODS = ("POST", "PUT", "GET", "DELETE", "OPTIONS", "PATCH")
SECRETS = ("FRESHET__GATEWAY__API_KEY", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "REDIS_PASSWORD")
WRITES_A_FILE = """open({marker!r}, 'w').close()
class H:
    def initialize(self, c): pass
    def handle(self, d, c): return [1] * len(d)
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A node in a folder too deep for a Unix socket, started by a shell that holds secrets."""
    folder = tmp_path_factory.mktemp("node") / ("deep-" * 20)
    with pytest.MonkeyPatch.context() as patch:
        for name in SECRETS:
            patch.setenv(name, "secret")
        with running_torchserve(folder) as running:
            yield running


@pytest.fixture(scope="module")
def archives(node: Running, bundle: Path) -> Callable[[int], str]:
    return lambda version: pack(bundle=bundle, version=version, out=node.store).name


@pytest.fixture
def door(node: Running) -> Iterator[str]:
    with behind_a_door(node) as url:
        yield url


@contextmanager
def behind_a_door(node: Running) -> Iterator[str]:
    with Door(("127.0.0.1", 0), node.socket) as door:
        threading.Thread(target=door.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{door.server_address[1]}"
        door.shutdown()


def test_the_socket_is_its_owner_s_alone_however_deep_it_lies(node: Running) -> None:
    assert len(os.fsencode(node.socket)) > MAX_PATH_BYTES
    mode = node.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o700
    assert node.manage("GET").status_code == 404  # no model yet


def test_only_inference_and_metrics_listen(node: Running) -> None:
    """TorchServe also listens for gRPC by default, which allows management."""
    until(
        lambda: "Model server started." in (node.var.parent / "torchserve.out").read_text(),
        "the end of the start",
        limit_s=60,
    )
    assert _ports(node) == {node.ports.inference, node.ports.metrics}


def test_no_port_registers_a_folder(node: Running, door: str, tmp_path: Path) -> None:
    """TorchServe accepts an absolute folder and runs its code, whichever URLs are allowed."""
    marker, folder = tmp_path / "ran", tmp_path / "Downloads"
    folder.mkdir()
    (folder / "evil.py").write_text(WRITES_A_FILE.format(marker=str(marker)))
    asked = {
        "url": str(folder),
        "handler": "evil.py",
        "model_name": "x",
        "initial_workers": "1",
        "synchronous": "true",
    }
    roots = [door, *(f"http://127.0.0.1:{port}" for port in _ports(node))]
    for root, path, method in product(roots, PATHS, METHODS):
        answer = httpx.request(method, root + path, params=asked, timeout=60)
        shows = (method, path) == ("OPTIONS", "/") or (method, path, root) == (
            "GET",
            "/models",
            door,
        )
        assert shows or answer.status_code in (403, 404, 405, 503), (
            f"{method} {root}{path}: {answer.status_code} {answer.text}"
        )
    assert not marker.exists()
    assert node.manage("GET", "/models/x").status_code == 404
    # by the socket it is taken, so the calls were right
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    assert node.manage("POST", f"/models?{query}").status_code == 200
    assert marker.exists()
    assert node.manage("DELETE", "/models/x").status_code == 200


def test_the_door_lets_look_and_choose_the_default(
    node: Running, door: str, archives: Callable[[int], str]
) -> None:
    with emptied_node(node) as server:
        for version in (1, 2):
            server.register(version, archives(version))
        assert httpx.get(f"{door}/models/rec", timeout=60).json()[0]["modelVersion"] == "1"
        chosen = httpx.put(f"{door}/models/rec/2/set-default", timeout=60)
        assert (chosen.status_code, server.live()) == (200, 2)
        refused = httpx.delete(f"{door}/models/rec/1", timeout=60)
        assert refused.status_code == 403
        assert str(node.socket) in refused.json()["message"]
        rebound = httpx.put(
            f"{door}/models/rec/1/set-default", headers={"Host": "evil.example"}, timeout=60
        )
        assert (rebound.status_code, server.live()) == (403, 2)
        assert [found.version for found in server.versions()] == [1, 2]


def test_a_body_is_read_and_forgotten(door: str) -> None:
    answer = httpx.post(f"{door}/models", content=b"x" * 60_000, timeout=60)
    assert answer.status_code == 403
    host, port = door.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(
            b"GET /models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
            b"abcDELETE /models/rec/1 HTTP/1.1\r\n\r\n"
        )
        answers = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answers.count(b"HTTP/1.") == 1


def test_a_torchserve_that_is_away_is_a_sentence(tmp_path: Path) -> None:
    with Door(("127.0.0.1", 0), tmp_path / "nobody.sock") as door:
        threading.Thread(target=door.serve_forever, args=(0.01,), daemon=True).start()
        answer = httpx.get(f"http://127.0.0.1:{door.server_address[1]}/models", timeout=60)
        door.shutdown()
    assert answer.status_code == 502
    assert f"TorchServe does not answer at {tmp_path}/nobody.sock" in answer.json()["message"]


def test_torchserve_and_its_workers_see_no_secret(
    node: Running, archives: Callable[[int], str]
) -> None:
    with emptied_node(node) as server:
        server.register(1, archives(1))
        processes = [
            psutil.Process(node.process.pid),
            *(psutil.Process(pid) for pid in node.worker_pids()),
        ]
        assert len(processes) == 2
        for process in processes:
            assert not set(SECRETS) & set(process.environ()), process.cmdline()[:3]


def _ports(node: Running) -> set[int]:
    """Return the ports that the server and its workers listen on."""
    found = set()
    for pid in (node.process.pid, *node.worker_pids()):
        with suppress(psutil.NoSuchProcess):  # the worker of a version that goes
            connections = psutil.Process(pid).net_connections("inet")
            found |= {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
    return found
