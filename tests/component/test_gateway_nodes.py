"""The gateway with two TorchServe nodes: the ledger's version is asked for, calls are spread, and a node that fails is passed over."""

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

PATIENT_S, HASTY_S = 20.0, 2.0  # time-outs: no test waits out the first, however busy the machine
LIVE = 3  # of the story


@dataclass(frozen=True, kw_only=True)
class House:
    """A running gateway, its ledger, and two nodes."""

    client: httpx.Client
    ledger: Ledger
    nodes: tuple[StandIn, StandIn]

    def ask(self) -> dict[str, object]:
        """Ask for a recommendation; return the answer."""
        answer = self.client.get("/v1/recommendations/ann?k=1")
        assert answer.status_code == 200
        return dict(answer.json())

    def asked(self) -> list[int]:
        """Return how many calls each node got."""
        return [len(node.paths) for node in self.nodes]


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
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
        yield House(client=client, ledger=ledger, nodes=nodes)
    for node in nodes:
        node.stop()
    ledger.close()


def test_calls_are_spread_and_ask_for_the_version_that_the_ledger_names(house: House) -> None:
    for _ in range(10):
        assert house.ask()["model_version"] == LIVE
        answer = house.client.post("/predict", json={"user_seq": ["a"], "item_desc": "b"})
        assert answer.headers["X-Model-Version"] == str(LIVE)
    assert house.client.get("/readyz").json()["model_version"] == LIVE
    assert min(house.asked()) >= 10
    assert {path for node in house.nodes for path in node.paths} == {f"/predictions/rec/{LIVE}"}


def test_after_a_switch_nobody_asks_for_the_old_version_for_long(house: House) -> None:
    house.ask()
    begun = switches.begin_rollback(house.ledger, 2, reason="x")
    assert house.ask()["model_version"] == LIVE  # begun, not carried out
    assert switches.end(house.ledger, begun)
    until(lambda: house.ask()["model_version"] == 2, within_s=PATIENT_S)
    assert all(house.ask()["model_version"] == 2 for _ in range(10))


def test_a_version_that_was_unloaded_before_the_gateway_saw_the_switch_fails_no_request(
    house: House,
) -> None:
    house.ask()
    assert switches.end(house.ledger, switches.begin_rollback(house.ledger, 2, reason="x"))
    for node in house.nodes:
        node.versions = {2}
    answer = house.ask()
    assert (answer["model_version"], "fallback" in answer) == (2, False)
    assert house.client.get("/v1/status").json()["in_service"] == {
        "127.0.0.1:1": True,
        "127.0.0.1:2": True,
    }


def gone(node: StandIn) -> None:
    node.stop()


def broken(node: StandIn) -> None:
    node.status, node.body = 503, {"code": 503, "message": "no worker"}


def emptied(node: StandIn) -> None:
    node.versions = set()


def locked(node: StandIn) -> None:
    node.status, node.body = 400, {"code": 400, "message": "Token Authorization failed"}


@pytest.mark.parametrize("fail", [gone, broken, emptied, locked])
def test_a_node_that_fails_costs_no_answer_and_is_passed_over(
    house: House, fail: Callable[[StandIn], None]
) -> None:
    house.ask()
    fail(house.nodes[0])
    before = house.asked()[0]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: house.ask(), range(200)))
    assert all(answer["model_version"] == LIVE and "fallback" not in answer for answer in answers)
    assert (
        house.asked()[0] - before < 30
    )  # 8 at once at the first failure, one for each break afterwards
    assert house.client.get("/v1/status").json()["in_service"] == {
        "127.0.0.1:1": False,
        "127.0.0.1:2": True,
    }


@pytest.mark.parametrize("house", [HASTY_S], indirect=True)
def test_a_node_that_hangs_leaves_time_for_another(house: House) -> None:
    house.ask()
    house.nodes[0].free.clear()
    answers = [house.ask() for _ in range(6)]
    assert all(answer["model_version"] == LIVE and "fallback" not in answer for answer in answers)


@pytest.mark.parametrize("house", [HASTY_S], indirect=True)
def test_a_node_that_drips_leaves_time_for_another(house: House) -> None:
    house.ask()
    house.nodes[0].pause_s = 0.3
    answers = [house.ask() for _ in range(4)]
    assert all(answer["model_version"] == LIVE and "fallback" not in answer for answer in answers)
    assert house.client.get("/v1/status").json()["in_service"] == {
        "127.0.0.1:1": False,
        "127.0.0.1:2": True,
    }


def test_a_question_that_is_too_large_takes_no_node_out_of_service(house: House) -> None:
    for node in house.nodes:
        node.status = 413
    for _ in range(3):
        assert (
            house.client.post("/predict", json={"user_seq": ["a"], "item_desc": "b"}).status_code
            == 413
        )
    assert set(house.client.get("/v1/status").json()["in_service"].values()) == {True}


def test_a_node_that_is_back_takes_traffic_once_it_has_the_live_version(house: House) -> None:
    house.nodes[0].versions = {1, 2}
    for _ in range(10):
        house.ask()
    house.nodes[0].versions = {1, 2, LIVE}
    before = house.asked()[0]
    until(lambda: bool(house.ask()) and house.asked()[0] > before + 3, within_s=PATIENT_S)


def test_with_every_node_away_the_popular_items_stand_in_until_one_is_back(house: House) -> None:
    for node in house.nodes:
        broken(node)
    assert house.ask()["fallback"] is True
    assert house.client.get("/readyz").status_code == 503
    house.nodes[1].status, house.nodes[1].body = 200, {"items": [], "model_version": LIVE}
    assert "fallback" not in house.ask()  # the nodes are on a break, and there is no better one


def until(true: Callable[[], bool], *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s"


class Lagging:
    """A ledger whose answers a test chooses: a replica that lags, one that is away, one that hangs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.says: Serving | None = None
        self.is_away = False
        self.free = threading.Event()
        self.free.set()

    def serving(self) -> Serving:
        self.free.wait(20)
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


def test_the_pointer_never_goes_back_to_an_earlier_decision(lagging: Lagging) -> None:
    old = lagging.serving()
    begun = switches.begin_rollback(lagging._ledger, 2, reason="x")
    before_its_end = lagging.serving()
    assert switches.end(lagging._ledger, begun)

    async def ask() -> None:
        live = LiveRelease(lagging.serving, lagging.release)
        assert await live.version() == 2
        for stale in (old, before_its_end):
            lagging.says = stale
            assert await live.version(anew=True) == 2
        lagging.says = None
        assert switches.end(lagging._ledger, switches.begin_promote(lagging._ledger, 3))
        assert await live.version(anew=True) == 3

    asyncio.run(ask())


def test_with_the_ledger_away_or_hanging_the_last_known_pointer_stands(lagging: Lagging) -> None:
    async def ask() -> None:
        live = LiveRelease(lagging.serving, lagging.release)
        assert await live.version() == LIVE
        lagging.is_away = True
        assert await live.version(anew=True) == LIVE
        lagging.free.clear()
        began = time.monotonic()
        answers = [await live.version(anew=True) for _ in range(100)]
        assert answers == [LIVE] * 100
        assert time.monotonic() - began < 1.0
        lagging.free.set()

    asyncio.run(ask())


def test_the_pointer_is_read_at_most_twice_a_second(lagging: Lagging) -> None:
    async def ask() -> int:
        reads = 0

        def counted() -> Serving:
            nonlocal reads
            reads += 1
            return lagging.serving()

        live = LiveRelease(counted, lagging.release)
        began = time.monotonic()
        await asyncio.gather(*(live.version() for _ in range(50)))
        while time.monotonic() - began < 3 * MAX_AGE_S:
            await live.version()
            await asyncio.sleep(0)
        return reads

    assert 2 <= asyncio.run(ask()) <= 4
