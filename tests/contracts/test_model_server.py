"""The ModelServer port, on every back end: the real TorchServe, and the fake of the cycle's tests.

.venv/bin/python -m pytest tests/contracts/test_model_server.py
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from cron.backends.server_torchserve import open_server
from cron.errors import ServerRefused, SettingsError, Unavailable
from cron.ports import ModelServer
from tests.fakes import FakeServer
from tests.planted import planted_bundle
from tests.system.torchserve import Running, opened, running_torchserve
from trainer.archive import pack

TOP = {"user_seq": ["i3"], "k": 3}
# Hundreds of texts that no cache knows: long enough in flight to be caught there.
SLOW = {"user_seq": [], "items": [{"text": f"{number} " * 60} for number in range(100)]}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_torchserve(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "planted"
    planted_bundle(folder, tower="lstm", encoder="tiny")
    return folder


@pytest.fixture(params=["torchserve", "fake"])
def server(request: pytest.FixtureRequest, node: Running, tmp_path: Path) -> Iterator[ModelServer]:
    """An empty server: what the test before left is deleted, the default last."""
    if request.param == "fake":
        yield FakeServer(node.store, tmp_path / "fake")
        return
    with opened(node) as server:
        for found in server.versions():
            if found.version != server.live():
                server.unregister(found.version)
        if server.live() is not None:
            assert httpx.delete(f"{node.models}/{server.live()}", timeout=60).status_code == 200
        yield server


# for what only workers, queues and zombies can show
of_torchserve = pytest.mark.parametrize("server", ["torchserve"], indirect=True)


@pytest.fixture
def publish(node: Running, bundle: Path) -> Callable[[int], str]:
    """Pack a version into the model store; return what register takes."""
    return lambda version: pack(bundle=bundle, version=version, out=node.store).name


@pytest.fixture
def publish_broken(node: Running, bundle: Path, tmp_path: Path) -> Callable[[int, str], str]:
    """Put an archive into the store of which one member is spoilt, so that its handler can't start."""

    def put(version: int, member: str) -> str:
        good = pack(bundle=bundle, version=version, out=tmp_path)
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(node.store / f"broken-{version}.mar", "w") as broken:
            for name in source.namelist():
                broken.writestr(name, SPOILT[name] if name == member else source.read(name))
        return f"broken-{version}.mar"

    return put


# The worker process dies of the first and the version goes with it; of the second TorchServe mostly keeps a version without workers.
SPOILT = {
    "bundle/manifest.json": b"{}",
    "recommend.py": b"class Recommend:\n    def initialize(self, context): raise RuntimeError\n    def handle(self, data, context): pass\n",
}


def zombie(node: Running, version: int) -> None:
    """Take a registered version's workers away: what TorchServe leaves of one that it gave up, which it does not do every time."""
    scaled = httpx.put(f"{node.models}/{version}?min_worker=0&max_worker=0&synchronous=true", timeout=60)
    assert scaled.status_code == 200
    assert httpx.get(f"{node.models}/{version}").json()[0]["workers"] == []


def test_an_empty_server_has_no_version_and_no_live_one(server: ModelServer) -> None:
    assert server.versions() == ()
    assert server.live() is None
    with pytest.raises(ServerRefused):
        server.predict(None, TOP, timeout_s=10)


def test_the_first_registered_version_is_live_and_later_ones_wait(server: ModelServer, publish: Callable[[int], str]) -> None:
    for version in (0, 2, 10):
        server.register(version, publish(version))
    assert server.live() == 0
    assert [found.version for found in server.versions()] == [0, 2, 10]
    assert all(found.ready and found.ready_workers == 1 for found in server.versions())


@of_torchserve
def test_registering_again_changes_nothing(server: ModelServer, publish: Callable[[int], str], node: Running) -> None:
    server.register(1, publish(1))
    before = node.worker_pids()
    server.register(1, publish(1))
    assert node.worker_pids() == before


def test_predict_answers_by_version_and_by_default(server: ModelServer, publish: Callable[[int], str]) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    server.set_live(2)
    found = [server.predict(version, TOP, timeout_s=10) for version in (None, 1, 2)]
    assert [answer["model_version"] for answer in found if isinstance(answer, dict)] == [2, 1, 2]


def test_a_refused_body_carries_its_status(server: ModelServer, publish: Callable[[int], str]) -> None:
    server.register(1, publish(1))
    with pytest.raises(ServerRefused) as caught:
        server.predict(1, {"user_seq": [], "k": 0}, timeout_s=10)
    assert caught.value.status == 400
    assert "from 1 to 1000" in str(caught.value)


def test_an_unknown_version_never_becomes_live(server: ModelServer, publish: Callable[[int], str]) -> None:
    server.register(1, publish(1))
    with pytest.raises(ServerRefused, match="not registered"):
        server.set_live(7)
    assert server.live() == 1


@of_torchserve
def test_a_version_without_workers_never_becomes_live(server: ModelServer, publish: Callable[[int], str], node: Running) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    zombie(node, 2)
    with pytest.raises(ServerRefused, match="READY"):
        server.set_live(2)
    assert server.live() == 1


@pytest.mark.parametrize("spoilt", sorted(SPOILT))
@of_torchserve
def test_an_archive_that_cannot_start_is_refused_and_leaves_nothing(
    spoilt: str, server: ModelServer, publish: Callable[[int], str], publish_broken: Callable[[int, str], str]
) -> None:
    server.register(1, publish(1))
    with pytest.raises(ServerRefused):
        server.register(2, publish_broken(2, spoilt))
    assert [found.version for found in server.versions()] == [1]
    server.register(2, publish(2))
    assert server.predict(2, TOP, timeout_s=10)


@of_torchserve
def test_a_zombie_gives_way_to_the_good_archive(server: ModelServer, publish: Callable[[int], str], node: Running) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    zombie(node, 2)
    server.register(2, publish(2))
    assert [found.version for found in server.versions() if found.ready] == [1, 2]


@pytest.mark.parametrize("url", ["nothing.mar", "a/token?b&c=d.mar", "../outside.mar", "http://127.0.0.1:9/rec.mar", "file:///etc/passwd"])
def test_what_is_not_in_our_store_is_refused(server: ModelServer, url: str) -> None:
    with pytest.raises(ServerRefused) as caught:
        server.register(3, url)
    assert caught.value.status in (400, 404)
    assert server.versions() == ()


def test_a_file_that_holds_another_version_is_refused(server: ModelServer, publish: Callable[[int], str], node: Running) -> None:
    shutil.copyfile(node.store / publish(4), node.store / "misnamed.mar")
    with pytest.raises(ServerRefused, match="does the file hold another version"):
        server.register(5, "misnamed.mar")


@of_torchserve
def test_a_killed_worker_comes_back_and_registering_waits_for_it(server: ModelServer, publish: Callable[[int], str], node: Running) -> None:
    server.register(1, publish(1))
    (killed,) = node.worker_pids()
    os.kill(killed, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(killed)] if psutil.pid_exists(killed) else [], timeout=10)
    server.register(1, "whatever the name: the version is there")
    assert server.predict(1, TOP, timeout_s=10)
    assert node.worker_pids() != [killed]


def test_unregister_forgets_a_version_and_knows_no_other(server: ModelServer, publish: Callable[[int], str]) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    server.unregister(2)
    server.unregister(2)
    server.unregister(99)
    assert [found.version for found in server.versions()] == [1]


def test_the_live_version_is_never_unregistered(server: ModelServer, publish: Callable[[int], str]) -> None:
    server.register(1, publish(1))
    with pytest.raises(ServerRefused, match="default"):
        server.unregister(1)
    assert server.live() == 1


@of_torchserve
def test_requests_in_flight_are_answered_when_their_version_goes(server: ModelServer, publish: Callable[[int], str], node: Running) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    begun = threading.Barrier(5)

    def ask() -> int:
        begun.wait(10)
        return httpx.post(node.predictions, json=SLOW, timeout=60).status_code

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        begun.wait(10)
        until_pending(server, 1)
        server.set_live(2)
        server.unregister(1)
        assert [one.result(60) for one in asked] == [200] * 4
    assert [found.version for found in server.versions()] == [2]


@of_torchserve
def test_a_version_that_does_not_drain_stays(server: ModelServer, publish: Callable[[int], str], node: Running) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    with ThreadPoolExecutor(4) as pool, opened(node, drain_timeout_s=0.0) as impatient:
        asked = [pool.submit(httpx.post, node.predictions, json=SLOW, timeout=60) for _ in range(4)]
        until_pending(server, 1)
        server.set_live(2)
        with pytest.raises(ServerRefused, match="still pending"):
            impatient.unregister(1)
        assert [one.result().status_code for one in asked] == [200] * 4
    assert [found.version for found in server.versions()] == [1, 2]


def test_nobody_there_is_unavailable_after_a_few_tries() -> None:
    waited: list[float] = []
    nobody = open_server("torchserve://127.0.0.1:9/rec?inference=9", sleep=waited.append)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        nobody.live()
    assert len(waited) == 2
    with pytest.raises(Unavailable):
        nobody.predict(None, TOP, timeout_s=1)
    assert len(waited) == 2  # what may have had an effect is not repeated
    nobody.close()


def test_with_tokens_on_only_who_reads_the_key_file_is_served(tmp_path: Path, bundle: Path) -> None:
    with running_torchserve(tmp_path, tokens=True) as guarded, opened(guarded) as server:
        server.register(1, pack(bundle=bundle, version=1, out=guarded.store).name)
        assert server.live() == 1
        assert server.predict(1, TOP, timeout_s=10)
        server.set_live(1)
        stranger = open_server(guarded.url.partition("&keys=")[0])
        with pytest.raises(ServerRefused, match="Token"):
            stranger.live()
        with pytest.raises(ServerRefused, match="Token"):
            stranger.set_live(1)
        with pytest.raises(ServerRefused, match="Token"):
            stranger.predict(1, TOP, timeout_s=10)
        stranger.close()
        (tmp_path / "var" / "torchserve" / "key_file.json").unlink()
        with pytest.raises(Unavailable, match="key file"):
            server.live()


WRONG_URLS = ["torchserve://h:8081/", "torchserve:///rec", "torchserve://h/a/b", "torchserve://h:x/rec"]
WRONG_URLS += [f"torchserve://h/rec?{option}" for option in ("inference=x", "tls=true", "keys=var/keys.json", "keys=")]


@pytest.mark.parametrize("url", WRONG_URLS)
def test_a_wrong_url_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match="torchserve:"):
        open_server(url)


def until_pending(server: ModelServer, version: int) -> None:
    """Wait until requests queue at a version; the first batch is then under way."""
    for _ in range(1000):
        if any(found.version == version and found.pending_requests > 0 for found in server.versions()):
            return
    raise AssertionError("no request ever queued")
