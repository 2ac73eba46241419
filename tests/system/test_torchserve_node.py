"""One real TorchServe behind the port: what only workers, queues and zombies can show.

.venv/bin/python -m pytest tests/system/test_torchserve_node.py
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cron.backends.torchserve.server import TorchServe, utc_now
from cron.errors import ServerRefused, Unavailable
from cron.urls.torchserve import parse as parse_nodes
from cron.wiring import open_server
from tests.system.machine import until
from tests.system.torchserve import (
    SPOILT,
    Running,
    changed_copy,
    open_node,
    running_torchserve,
    until_noticed,
    write_archive,
)
from trainer.archive import pack

TOP = {"user_seq": ["i3"], "k": 3}
LIMIT_S = 60.0
STARTS_LATER = """import pathlib, time
class StartsOnceTheGateIsOpen:
    def initialize(self, context):
        while not pathlib.Path({gate!r}).exists():
            time.sleep(0.02)
    def handle(self, data, context): return [{{}}] * len(data)
"""
ANSWERS_LATER = b"""import json, pathlib, time
class AnswersOnceTheGateIsOpen:
    def initialize(self, context): pass
    def handle(self, data, context):
        for request in data:
            gate = json.loads(request["body"]).get("gate")
            while gate and not pathlib.Path(gate).exists():
                time.sleep(0.02)
        return [{}] * len(data)
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that is not there yet; who waits for it goes on once it is."""
    return tmp_path / "open"


def opening(gate: Path, *, after_looks: int) -> Callable[[float], None]:
    """Return how a client pauses between its looks at a server; the gate opens at one of them."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == after_looks:
            gate.touch()
        threading.Event().wait(seconds)

    return pause


@pytest.fixture
def publish(node: Running, bundle: Path) -> Callable[[int], str]:
    """Pack a version into the model store; return what register takes."""
    return lambda version: pack(bundle=bundle, version=version, out=node.store).name


@pytest.fixture
def publish_changed(
    node: Running, bundle: Path, tmp_path: Path
) -> Callable[[int, str, bytes], str]:
    """Pack a version and store it with one member replaced; return what register takes."""

    def publish_with(version: int, member: str, content: bytes) -> str:
        good = pack(bundle=bundle, version=version, out=tmp_path)
        return changed_copy(good, node.store / f"changed-{version}.mar", {member: content}).name

    return publish_with


def zombie(node: Running, version: int) -> None:
    """Remove a version's workers, like TorchServe sometimes does when it gives one up."""
    scaled = node.manage("PUT", f"/models/rec/{version}?min_worker=0&max_worker=0&synchronous=true")
    assert scaled.status_code == 200
    assert node.manage("GET", f"/models/rec/{version}").json()[0]["workers"] == []


def test_registering_again_changes_nothing(
    server: TorchServe, publish: Callable[[int], str], node: Running
) -> None:
    server.register(1, publish(1))
    before = node.worker_pids()
    server.register(1, publish(1))
    assert node.worker_pids() == before


def test_a_version_without_workers_never_becomes_live(
    server: TorchServe, publish: Callable[[int], str], node: Running
) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    zombie(node, 2)
    with pytest.raises(ServerRefused, match="READY"):
        server.set_live(2)
    assert server.live() == 1


@pytest.mark.parametrize("spoilt", sorted(SPOILT))
def test_an_archive_that_cannot_start_leaves_nothing(
    spoilt: str,
    server: TorchServe,
    publish: Callable[[int], str],
    publish_changed: Callable[[int, str, bytes], str],
) -> None:
    server.register(1, publish(1))
    with pytest.raises(ServerRefused):
        server.register(2, publish_changed(2, spoilt, SPOILT[spoilt]))
    assert [found.version for found in server.versions()] == [1]
    server.register(2, publish(2))
    assert server.predict(2, TOP, timeout_s=60)


def test_a_version_another_process_loads_is_waited_for(
    server: TorchServe,
    publish_changed: Callable[[int, str, bytes], str],
    node: Running,
    gate: Path,
) -> None:
    """Its host's clock is twenty minutes behind ours."""
    archive = publish_changed(2, "recommend.py", STARTS_LATER.format(gate=str(gate)).encode())
    with ThreadPoolExecutor(1) as pool, open_node(node) as other:
        first = pool.submit(other.register, 2, archive)
        until_loading(node, 2)
        ahead = TorchServe(
            parse_nodes(node.url)[0],
            recovery_s=0.1,  # long over while it loads
            sleep=opening(gate, after_looks=20),
            now=lambda: utc_now() + timedelta(minutes=20),
        )
        ahead.register(2, archive)
        ahead.close()
        first.result(LIMIT_S)
    assert [found.version for found in server.versions() if found.ready] == [2]


def test_kept_connections_are_answered_while_a_version_starts(
    server: TorchServe,
    publish: Callable[[int], str],
    publish_changed: Callable[[int, str, bytes], str],
    node: Running,
    gate: Path,
) -> None:
    """A call waiting for the start would block one of two network threads."""
    archive = publish_changed(2, "recommend.py", STARTS_LATER.format(gate=str(gate)).encode())
    server.register(1, publish(1))
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(timeout=60)) for _ in range(8)]
        for client in clients:
            client.get(f"http://127.0.0.1:{node.ports.inference}/ping")
        other = stack.enter_context(open_node(node))
        registering = stack.enter_context(ThreadPoolExecutor(1)).submit(other.register, 2, archive)
        until_loading(node, 2)
        assert [
            client.post(node.predictions, json=TOP, timeout=60).status_code for client in clients
        ] == [200] * 8
        assert not registering.done()
        gate.touch()
        registering.result(LIMIT_S)


def test_a_zombie_gives_way_to_the_good_archive(
    server: TorchServe, publish: Callable[[int], str], node: Running
) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    zombie(node, 2)
    server.register(2, publish(2))
    assert [found.version for found in server.versions() if found.ready] == [1, 2]


def test_a_killed_worker_comes_back_and_registering_waits_for_it(
    server: TorchServe, publish: Callable[[int], str], node: Running
) -> None:
    server.register(1, publish(1))
    (killed,) = node.worker_pids()
    os.kill(killed, signal.SIGKILL)
    until_noticed(node, 1, killed)
    server.register(1, "whatever the name: the version is there")
    assert server.predict(1, TOP, timeout_s=60)
    assert node.worker_pids() != [killed]


def test_requests_in_flight_are_answered_when_their_version_goes(
    server: TorchServe, node: Running, gate: Path
) -> None:
    for version in (1, 2):
        server.register(version, write_archive(node.store, version, handler=ANSWERS_LATER))
    with ThreadPoolExecutor(4) as pool:
        asked = ask_at_once(pool, node, gate)
        until_pending(server, 1, len(asked) - 1)
        server.set_live(2)
        patient = TorchServe(parse_nodes(node.url)[0], sleep=opening(gate, after_looks=5))
        with closing(patient):
            patient.unregister(1)
        assert [one.result().status_code for one in asked] == [200] * 4
    assert [found.version for found in server.versions()] == [2]


def test_a_version_that_does_not_drain_stays(server: TorchServe, node: Running, gate: Path) -> None:
    for version in (1, 2):
        server.register(version, write_archive(node.store, version, handler=ANSWERS_LATER))
    with ThreadPoolExecutor(4) as pool, open_node(node, drain_timeout_s=0.0) as impatient:
        asked = ask_at_once(pool, node, gate)
        until_pending(server, 1, len(asked) - 1)
        server.set_live(2)
        with pytest.raises(ServerRefused, match="still pending"):
            impatient.unregister(1)
        gate.touch()
        assert [one.result().status_code for one in asked] == [200] * 4
    assert [found.version for found in server.versions()] == [1, 2]


def test_nobody_there_is_unavailable_after_a_few_tries() -> None:
    waited: list[float] = []
    nobody = TorchServe(
        parse_nodes("torchserve://127.0.0.1:9/rec?inference=9")[0], sleep=waited.append
    )
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        nobody.live()
    assert len(waited) == 2
    with pytest.raises(Unavailable):
        nobody.predict(None, TOP, timeout_s=1)
    assert len(waited) == 2  # what may have had an effect is not repeated
    nobody.close()


def test_with_tokens_on_only_who_reads_the_key_file_is_served(tmp_path: Path, bundle: Path) -> None:
    with running_torchserve(tmp_path, tokens=True) as guarded, open_node(guarded) as server:
        server.register(1, pack(bundle=bundle, version=1, out=guarded.store).name)
        assert server.live() == 1
        assert server.predict(1, TOP, timeout_s=60)
        server.set_live(1)
        stranger = open_server(
            guarded.url.partition("&keys=")[0], var=tmp_path, drain_timeout_s=1.0
        )
        with pytest.raises(ServerRefused, match="Token"):
            stranger.live()
        with pytest.raises(ServerRefused, match="Token"):
            stranger.set_live(1)
        with pytest.raises(ServerRefused, match="Token"):
            stranger.predict(1, TOP, timeout_s=60)
        (tmp_path / "var" / "torchserve" / "key_file.json").unlink()
        with pytest.raises(Unavailable, match="key file"):
            server.live()


def ask_at_once(
    pool: ThreadPoolExecutor, node: Running, gate: Path
) -> list[Future[httpx.Response]]:
    """Send four requests, each of which is answered once the gate is open."""
    body = {"gate": str(gate)}
    return [pool.submit(httpx.post, node.predictions, json=body, timeout=60) for _ in range(4)]


def until_pending(server: TorchServe, version: int, number: int) -> None:
    """Wait until so many requests queue at a version; its worker then holds another one."""

    def queue() -> bool:
        found = [one for one in server.versions() if one.version == version]
        return [one.pending_requests for one in found] == [number]

    until(queue, "requests to queue", limit_s=LIMIT_S)


def until_loading(node: Running, version: int) -> None:
    """Wait until a version is there without a worker that is READY."""

    def is_there() -> bool:
        answer = node.manage("GET", f"/models/rec/{version}")
        workers = answer.json()[0]["workers"] if answer.status_code == 200 else []
        assert not workers or workers[0]["status"] != "READY"
        return bool(workers)

    until(is_there, "the version to come", limit_s=LIMIT_S)
