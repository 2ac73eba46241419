"""The gateway with two TorchServe nodes: calls are spread, a failing node is left out."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from cron.errors import Unavailable
from cron.ledger import release_rows, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Release, Serving
from gateway.model.live_release import MAX_AGE_S, LiveRelease
from tests.component import story
from tests.component.gateway_process import StandIn, gateway, settings_in

# Time-outs. No test waits for the first, however busy the machine is; of the second, a node that
# hangs takes the larger part.
PATIENT_S, HASTY_S = 60.0, 8.0
LIVE = 3  # of the story


@dataclass(frozen=True, kw_only=True)
class TwoNodes:
    """A running gateway, its ledger, and two nodes."""

    client: httpx.Client
    ledger: Ledger
    nodes: tuple[StandIn, StandIn]

    def ask(self) -> dict[str, object]:
        """Ask for a recommendation; return the answer."""
        answer = self.client.get("/v1/recommendations/ann?k=1")
        assert answer.status_code == 200
        return dict(answer.json())

    def num_calls(self) -> list[int]:
        """Return how many calls each node received."""
        return [len(node.paths) for node in self.nodes]


@pytest.fixture
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TwoNodes]:
    ledger = story.tell(tmp_path / "ledger.db")
    nodes = (StandIn(), StandIn())
    plain = settings_in(tmp_path, inference_port=1)
    server = f"torchserve://127.0.0.1:1,127.0.0.1:2/rec?inference={nodes[0].port},{nodes[1].port}"
    timeout_s = getattr(request, "param", PATIENT_S)
    settings = replace(
        plain,
        store=replace(plain.store, server=server),
        gateway=replace(plain.gateway, inference_timeout_s=timeout_s),
    )
    with gateway(settings) as client:
        yield TwoNodes(client=client, ledger=ledger, nodes=nodes)
    for node in nodes:
        node.stop()
    ledger.close()


def test_calls_are_spread_and_ask_for_the_ledgers_version(running: TwoNodes) -> None:
    for _ in range(10):
        assert running.ask()["model_version"] == LIVE
        answer = running.client.post("/predict", json={"user_seq": ["a"], "item_desc": "b"})
        assert answer.headers["X-Model-Version"] == str(LIVE)
    assert running.client.get("/readyz").json()["model_version"] == LIVE
    assert min(running.num_calls()) >= 10
    assert {path for node in running.nodes for path in node.paths} == {f"/predictions/rec/{LIVE}"}


def test_a_switch_is_followed_soon(running: TwoNodes) -> None:
    running.ask()
    begun = switches.begin_rollback(running.ledger, 2, reason="x")
    assert running.ask()["model_version"] == LIVE  # begun, not carried out
    assert switches.end(running.ledger, begun)
    until(lambda: running.ask()["model_version"] == 2, within_s=PATIENT_S)
    assert all(running.ask()["model_version"] == 2 for _ in range(10))


def test_an_unloaded_version_fails_no_request(
    running: TwoNodes,
) -> None:
    running.ask()
    assert switches.end(running.ledger, switches.begin_rollback(running.ledger, 2, reason="x"))
    for node in running.nodes:
        node.versions = {2}
    answer = running.ask()
    assert (answer["model_version"], "fallback" in answer) == (2, False)
    assert running.client.get("/v1/status").json()["in_service"] == {
        "127.0.0.1:1": True,
        "127.0.0.1:2": True,
    }


def stop(node: StandIn) -> None:
    node.stop()


def break_worker(node: StandIn) -> None:
    node.status, node.body = 503, {"code": 503, "message": "no worker"}


def unload_all(node: StandIn) -> None:
    node.versions = set()


def refuse_key(node: StandIn) -> None:
    node.status, node.body = 400, {"code": 400, "message": "Token Authorization failed"}


@pytest.mark.parametrize("fail", [stop, break_worker, unload_all, refuse_key])
def test_a_failing_node_costs_no_answer(running: TwoNodes, fail: Callable[[StandIn], None]) -> None:
    running.ask()
    fail(running.nodes[0])
    before = running.num_calls()[0]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: running.ask(), range(200)))
    assert all(answer["model_version"] == LIVE and "fallback" not in answer for answer in answers)
    assert (
        running.num_calls()[0] - before < 30
    )  # 8 at once at the first failure, one for each break afterwards
    assert running.client.get("/v1/status").json()["in_service"] == {
        "127.0.0.1:1": False,
        "127.0.0.1:2": True,
    }


@pytest.mark.parametrize("running", [HASTY_S], indirect=True)
def test_a_node_that_hangs_leaves_time_for_another(running: TwoNodes) -> None:
    running.ask()
    running.nodes[0].free.clear()
    answers = [running.ask() for _ in range(6)]
    assert all(answer["model_version"] == LIVE and "fallback" not in answer for answer in answers)


@pytest.mark.parametrize("running", [HASTY_S], indirect=True)
def test_a_node_that_sends_slowly_leaves_time_for_another(running: TwoNodes) -> None:
    running.ask()
    running.nodes[0].pause_s = 0.3
    answers = [running.ask() for _ in range(4)]
    assert all(answer["model_version"] == LIVE and "fallback" not in answer for answer in answers)
    assert running.client.get("/v1/status").json()["in_service"] == {
        "127.0.0.1:1": False,
        "127.0.0.1:2": True,
    }


def test_too_large_a_question_is_not_a_nodes_failure(running: TwoNodes) -> None:
    for node in running.nodes:
        node.status = 413
    for _ in range(3):
        assert (
            running.client.post("/predict", json={"user_seq": ["a"], "item_desc": "b"}).status_code
            == 413
        )
    assert set(running.client.get("/v1/status").json()["in_service"].values()) == {True}


def test_a_returned_node_is_used_once_it_has_the_live_version(running: TwoNodes) -> None:
    running.nodes[0].versions = {1, 2}
    for _ in range(10):
        running.ask()
    running.nodes[0].versions = {1, 2, LIVE}
    before = running.num_calls()[0]
    until(lambda: bool(running.ask()) and running.num_calls()[0] > before + 3, within_s=PATIENT_S)


def test_without_any_node_popular_items_are_returned(running: TwoNodes) -> None:
    for node in running.nodes:
        break_worker(node)
    assert running.ask()["fallback"] is True
    assert running.client.get("/readyz").status_code == 503
    running.nodes[1].status, running.nodes[1].body = 200, {"items": [], "model_version": LIVE}
    assert "fallback" not in running.ask()  # both nodes are on a break


def until(true: Callable[[], bool], *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s"


class Lagging:
    """A ledger that lags behind, does not answer, or hangs, as a test chooses."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.says: Serving | None = None
        self.is_away = False
        self.free = threading.Event()
        self.free.set()

    def serving(self) -> Serving:
        self.free.wait(PATIENT_S)
        if self.is_away:
            raise Unavailable("the ledger", where="here", why="switched off by the test")
        return self.says or switches.serving(self._ledger)

    def release(self, version: int) -> Release:
        return release_rows.release(self._ledger, version)


@pytest.fixture
def lagging(tmp_path: Path) -> Iterator[Lagging]:
    ledger = story.tell(tmp_path / "ledger.db")
    yield Lagging(ledger)
    ledger.close()


def test_the_live_version_never_goes_back(lagging: Lagging) -> None:
    old = lagging.serving()
    begun = switches.begin_rollback(lagging._ledger, 2, reason="x")
    before_its_end = lagging.serving()
    assert switches.end(lagging._ledger, begun)

    async def ask() -> None:
        live = LiveRelease(lagging.serving, lagging.release)
        assert await live.version(wait_s=PATIENT_S) == 2
        for stale in (old, before_its_end):
            lagging.says = stale
            assert await live.version(refresh=True, wait_s=PATIENT_S) == 2
        lagging.says = None
        assert switches.end(lagging._ledger, switches.begin_promote(lagging._ledger, 3))
        assert await live.version(refresh=True, wait_s=PATIENT_S) == 3

    asyncio.run(ask())


def test_without_a_ledger_the_last_version_stays(lagging: Lagging) -> None:
    async def ask() -> None:
        live = LiveRelease(lagging.serving, lagging.release)
        assert await live.version(wait_s=PATIENT_S) == LIVE
        lagging.is_away = True
        assert await live.version(refresh=True) == LIVE
        lagging.free.clear()
        began = time.monotonic()
        answers = [await live.version(refresh=True, wait_s=0.25) for _ in range(100)]
        assert answers == [LIVE] * 100
        assert time.monotonic() - began < 20.0, "one call waited for it, and no other"
        lagging.free.set()

    asyncio.run(ask())


def test_a_slow_ledger_is_waited_for_when_nothing_is_known(lagging: Lagging) -> None:
    """There is no release to use instead, so that visitors would get popular items."""

    async def ask() -> None:
        live = LiveRelease(lagging.serving, lagging.release)
        lagging.free.clear()
        asking = asyncio.create_task(live.version(wait_s=PATIENT_S))
        done, _ = await asyncio.wait({asking}, timeout=3 * MAX_AGE_S)
        assert not done
        lagging.free.set()
        assert await asking == LIVE

    asyncio.run(ask())


def test_the_ledger_is_read_at_most_twice_a_second(lagging: Lagging) -> None:
    async def ask() -> tuple[int, float]:
        reads = 0

        def read_counting() -> Serving:
            nonlocal reads
            reads += 1
            return lagging.serving()

        live = LiveRelease(read_counting, lagging.release)
        began = time.monotonic()
        await asyncio.gather(*(live.version() for _ in range(50)))
        while (took_s := time.monotonic() - began) < 3 * MAX_AGE_S or reads < 2:
            await live.version()
            await asyncio.sleep(0)
        return reads, took_s

    reads, took_s = asyncio.run(ask())
    assert reads <= 1 + took_s / MAX_AGE_S
