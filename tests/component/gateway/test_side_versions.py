"""Questions for a side version: it answers, or else the live one does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cron.ledger import release_rows, switches
from cron.ledger.ledger import Ledger
from cron.urls.torchserve import parse
from gateway.bodies.refusal import Refusal
from gateway.model.inference import Inference
from gateway.model.live_release import LiveRelease
from gateway.model.questions import NO_HISTORY, TopItemsQuestion
from tests.component import story
from tests.component.gateway_process import StandIn

QUESTION = TopItemsQuestion(user_seq=NO_HISTORY, k=1, exclude_seen=True, exclude=())
LIVE, SIDE = 3, 2  # of the story
TIMEOUT_S = 8.0  # of which a hanging side version takes most
SIDE_BREAK_S = 60.0


class ServerOfVersions(StandIn):
    """A server whose default is the live version; `broken` versions answer with a status."""

    def __init__(self) -> None:
        super().__init__()
        self.versions = {LIVE, SIDE}
        self.broken: dict[int, int] = {}
        self.hanging: set[int] = set()

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        version = path.rpartition("/")[2]
        if version.isdecimal() and int(version) in self.hanging:
            self.stopped.wait(3 * TIMEOUT_S)
        if version.isdecimal() and int(version) in self.broken:
            return self.broken[int(version)], {"code": 0, "message": "broken by the test"}
        return super().answer(path, asked)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = story.tell(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


@pytest.fixture
def servers() -> Iterator[tuple[ServerOfVersions, ServerOfVersions]]:
    servers = ServerOfVersions(), ServerOfVersions()
    yield servers
    for server in servers:
        server.stop()


def ask(
    ledger: Ledger, servers: tuple[ServerOfVersions, ...], *, version: int | None, times: int = 1
) -> list[int]:
    """Return the versions that answered."""
    ports = [str(server.port) for server in servers]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)

    async def asking() -> list[int]:
        live = LiveRelease(
            lambda: switches.serving(ledger), lambda version: release_rows.release(ledger, version)
        )
        places = parse(f"torchserve://{hosts}/rec?inference={','.join(ports)}")
        inference = Inference(places, live, timeout_s=TIMEOUT_S, side_break_s=SIDE_BREAK_S)
        found = []
        for _ in range(times):
            answer = await inference.recommend(QUESTION, version=version)
            assert not isinstance(answer, Refusal)
            found.append(answer.model_version)
        assert all(inference.in_service().values())
        inference.close()
        return found

    return asyncio.run(asking())


def unload(server: ServerOfVersions) -> None:
    server.versions = {LIVE}


def lose_workers(server: ServerOfVersions) -> None:
    server.broken[SIDE] = 503


def hang(server: ServerOfVersions) -> None:
    server.hanging.add(SIDE)


@pytest.mark.parametrize("num_nodes", [1, 2])
def test_a_side_version_answers_by_its_number(
    ledger: Ledger, servers: tuple[ServerOfVersions, ServerOfVersions], num_nodes: int
) -> None:
    asked = servers[:num_nodes]
    assert ask(ledger, asked, version=SIDE, times=4) == [SIDE] * 4
    assert ask(ledger, asked, version=None) == [LIVE]


@pytest.mark.parametrize("break_it", [unload, lose_workers, hang])
@pytest.mark.parametrize("num_nodes", [1, 2])
def test_where_it_gives_no_answer_the_live_one_does(
    ledger: Ledger,
    servers: tuple[ServerOfVersions, ServerOfVersions],
    num_nodes: int,
    break_it: Callable[[ServerOfVersions], None],
) -> None:
    """No visitor gets an error or popular items, and no node is taken out of service for it."""
    asked = servers[:num_nodes]
    for server in asked:
        break_it(server)
    assert ask(ledger, asked, version=SIDE, times=3) == [LIVE] * 3
    # after the first failure the others do not wait for it
    num_asked = sum(path.endswith(f"/{SIDE}") for server in asked for path in server.paths)
    assert num_asked <= num_nodes


def test_one_node_that_has_it_is_enough(
    ledger: Ledger, servers: tuple[ServerOfVersions, ServerOfVersions]
) -> None:
    unload(servers[0])
    assert ask(ledger, servers, version=SIDE, times=4) == [SIDE] * 4
