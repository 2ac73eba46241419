"""The ModelServer port on every back end.

The back ends are a real TorchServe, two of them, and the fakes of the cycle's tests, one and two:

    .venv/bin/python -m pytest tests/contracts/test_model_server.py
    .venv/bin/python -m pytest tests/contracts/test_model_server.py --services
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cron.backends.torchserve.nodes import ServerNodes
from cron.errors import ServerRefused
from cron.ports import ModelServer
from tests.fakes import FakeServer
from tests.system.torchserve import Running, emptied_node, running_torchserve
from trainer.archive import pack

LIMIT_S = 60.0
TOP = {"user_seq": ["i3"], "k": 3}
EMBEDDED = ("fake", "two fakes", "torchserve")
ON_SERVERS = ("two torchserves",)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("archives")


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, store: Path
) -> Iterator[Callable[[int], list[Running]]]:
    """Return this number of nodes, started at the first use."""
    with ExitStack() as stack:
        running: list[Running] = []

        def nodes(number: int) -> list[Running]:
            while len(running) < number:
                running.append(
                    stack.enter_context(
                        running_torchserve(tmp_path_factory.mktemp("node"), store=store)
                    )
                )
            return running[:number]

        yield nodes


@pytest.fixture
def server(
    back_end: str, store: Path, start: Callable[[int], list[Running]], tmp_path: Path
) -> Iterator[ModelServer]:
    """Return an empty server."""
    with ExitStack() as stack:
        number = 2 if back_end.startswith("two") else 1
        nodes: list[ModelServer] = []
        if "fake" in back_end:
            nodes += [FakeServer(store, tmp_path / f"fake{one}") for one in range(number)]
        else:
            nodes += [stack.enter_context(emptied_node(running)) for running in start(number)]
        yield (
            ServerNodes({f"node{one}": node for one, node in enumerate(nodes)})
            if number > 1
            else nodes[0]
        )


@pytest.fixture
def publish(store: Path, bundle: Path) -> Callable[[int], str]:
    """Pack a version into the model store; return what register takes."""
    return lambda version: pack(bundle=bundle, version=version, out=store).name


def until_live(server: ModelServer, version: int) -> None:
    """Make a version live on every node: one that is slow at a switch follows at the next try."""
    server.set_live(version)
    ends_at = time.monotonic() + LIMIT_S
    while server.live() != version:
        assert time.monotonic() < ends_at, f"never {version} on all nodes"
        server.set_live(version)


def test_an_empty_server_has_no_version_and_no_live_one(server: ModelServer) -> None:
    assert server.versions() == ()
    assert server.live() is None
    with pytest.raises(ServerRefused):
        server.predict(None, TOP, timeout_s=60)


def test_only_the_first_registered_version_becomes_live(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    for version in (0, 2, 10):
        server.register(version, publish(version))
    assert server.live() == 0
    assert [found.version for found in server.versions()] == [0, 2, 10]
    assert all(found.ready and found.ready_workers == 1 for found in server.versions())


def test_predict_answers_by_version_and_by_default(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    until_live(server, 2)
    found = [server.predict(version, TOP, timeout_s=60) for version in (None, 1, 2)]
    assert [answer["model_version"] for answer in found if isinstance(answer, dict)] == [2, 1, 2]


def test_a_refused_body_carries_its_status(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    server.register(1, publish(1))
    with pytest.raises(ServerRefused) as caught:
        server.predict(1, {"user_seq": [], "k": 0}, timeout_s=60)
    assert caught.value.status == 400
    assert "from 1 to 1000" in str(caught.value)


def test_an_unknown_version_never_becomes_live(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    server.register(1, publish(1))
    with pytest.raises(ServerRefused, match="not registered"):
        server.set_live(7)
    assert server.live() == 1


@pytest.mark.parametrize(
    "url",
    [
        "nothing.mar",
        "a/token?b&c=d.mar",
        "../outside.mar",
        "http://127.0.0.1:9/rec.mar",
        "file:///etc/passwd",
    ],
)
def test_what_is_not_in_our_store_is_refused(server: ModelServer, url: str) -> None:
    with pytest.raises(ServerRefused) as caught:
        server.register(3, url)
    assert caught.value.status in (400, 404)
    assert server.versions() == ()


def test_a_file_that_holds_another_version_is_refused(
    server: ModelServer, publish: Callable[[int], str], store: Path
) -> None:
    shutil.copyfile(store / publish(4), store / "misnamed.mar")
    with pytest.raises(ServerRefused, match="does the file hold another version"):
        server.register(5, "misnamed.mar")


def test_a_server_reports_used_and_free_memory(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    assert server.memory() is None
    server.register(1, publish(1))
    memory = server.memory()
    assert memory is not None
    assert 0 < memory.taken_bytes < memory.left_bytes
    assert memory.has_room


def test_unregister_removes_that_version_alone(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    server.unregister(2)
    server.unregister(2)
    server.unregister(99)
    assert [found.version for found in server.versions()] == [1]


def test_the_live_version_is_never_unregistered(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    server.register(1, publish(1))
    with pytest.raises(ServerRefused, match="default"):
        server.unregister(1)
    assert server.live() == 1


def test_all_versions_are_unregistered_with_the_default(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    for version in (1, 2):
        server.register(version, publish(version))
    server.unregister_all()
    server.unregister_all()
    assert (server.versions(), server.live()) == ((), None)
    server.register(1, publish(1))
    assert server.live() == 1


def test_nodes_are_named_and_each_serves_alone(
    server: ModelServer, publish: Callable[[int], str]
) -> None:
    server.register(1, publish(1))
    assert len(server.nodes()) >= 1
    for node in server.nodes().values():
        assert [found.version for found in node.versions()] == [1]
        assert len(node.nodes()) == 1
