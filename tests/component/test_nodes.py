"""Several nodes: releases go to all that answer, and a returning node is updated first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cron.backends.torchserve.nodes import ServerNodes
from cron.cycle.cycle import run_cycle
from cron.errors import ServerRefused, Unavailable
from cron.ledger import holds, metric_rows, release_rows, side_rows, switches
from cron.lineage import Run
from cron.server_versions import ServerVersion
from cron.services import Services
from cron.serving import release
from cron.serving.reconcile import Reconciler
from cron.serving.restore import kept_loaded
from tests.fakes import FakeServer
from tests.shelf import open_shelf
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
)


class WrongAnswers(FakeServer):
    """A node whose model answers something else than was tested."""

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        return {"model_version": version, "items": []}


class Hangs(FakeServer):
    """A node that accepts calls and answers nothing until `goes_on` is set or time is up."""

    def __init__(self, store: Path, folder: Path) -> None:
        super().__init__(store, folder)
        self.goes_on = threading.Event()
        self.was_waited_for = False

    def versions(self) -> tuple[ServerVersion, ...]:
        self.was_waited_for |= not self.goes_on.wait(60.0)
        raise Unavailable("TorchServe", where="b", why="ReadTimeout")


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[FakeServer, FakeServer]:
    return FakeServer(tmp_path / "archives", tmp_path / "a"), FakeServer(
        tmp_path / "archives", tmp_path / "b"
    )


@pytest.fixture
def services(tmp_path: Path, nodes: tuple[FakeServer, FakeServer]) -> Iterator[Services]:
    """Versions 1, 2, 3 were published; 3 is live and 2 the candidate on both nodes."""
    services = replace(
        open_shelf(tmp_path, 1, 2, 3), server=ServerNodes({"a": nodes[0], "b": nodes[1]})
    )
    ticks(services)
    for node in nodes:
        assert (sorted(one.version for one in node.versions()), node.live()) == ([2, 3], 3)
        node.log.clear()
    yield services
    close_workshop(services)


@pytest.fixture
def shop(tmp_path: Path, nodes: tuple[FakeServer, FakeServer]) -> Iterator[Services]:
    """A worker that has published the baseline and release 1 on both nodes, and has new events."""
    services = replace(open_workshop(tmp_path), server=ServerNodes({"a": nodes[0], "b": nodes[1]}))
    send(services, [*item_records(), *event_records(1, 400)])
    assert [turn(services).outcome for _ in range(2)] == ["published"] * 2
    send(services, event_records(401, 520))
    yield services
    close_workshop(services)


def turn(services: Services) -> Run:
    return run_cycle(services, lease_of(services.ledger))


def ticks(services: Services, number: int = 4) -> Reconciler:
    reconciler = Reconciler(services, monotonic=lambda: 0.0)
    for _ in range(number):
        reconciler.tick()
    return reconciler


def test_a_release_is_live_on_every_node(
    shop: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    run = turn(shop)
    assert run.outcome == "published"
    assert [node.live() for node in nodes] == [2, 2] == [switches.serving(shop.ledger).live] * 2
    assert any(
        "node" in reason.text and "of 2" in reason.text
        for reason in run.reasons
        if reason.name == "golden_answers"
    )


def test_a_node_that_refuses_stops_the_promotion_everywhere(
    shop: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    nodes[1].refuses = True
    run = turn(shop)
    assert run.outcome == "failed"
    assert "507 no memory is left (node b)" in run.reasons[-1].text
    assert [node.live() for node in nodes] == [1, 1] == [switches.serving(shop.ledger).live] * 2
    assert all(one.version != run.version for node in nodes for one in node.versions())


def test_wrong_answers_of_one_node_stop_the_promotion_everywhere(
    shop: Services, nodes: tuple[FakeServer, FakeServer], tmp_path: Path
) -> None:
    wrong = WrongAnswers(tmp_path / "archives", tmp_path / "b")
    run = turn(replace(shop, server=ServerNodes({"a": nodes[0], "b": wrong})))
    assert (run.outcome, [reason.name for reason in run.reasons if not reason.ok]) == (
        "refused",
        ["golden_answers"],
    )
    assert "node b, the worst of 2" in run.reasons[-1].text + run.reasons[-2].text
    assert [node.live() for node in nodes] == [1, 1]
    assert all(one.version != run.version for node in nodes for one in node.versions())


def test_a_node_that_was_down_is_updated_on_return(
    shop: Services, nodes: tuple[FakeServer, FakeServer], caplog: pytest.LogCaptureFixture
) -> None:
    nodes[1].is_down = True
    reconciler = ticks(shop, 1)
    assert turn(shop).outcome == "published"
    reconciler.tick()
    metrics = metric_rows.stored_metrics(shop.ledger)
    assert (metrics["nodes_away"], metrics["node_1_away"], metrics["node_2_away"]) == (1, 0, 1)
    (away,) = (record for record in caplog.records if record.message == "a node is away")
    assert away.node == "b"  # type: ignore[attr-defined]
    nodes[1].is_down = False
    nodes[1].log.clear()
    for _ in range(4):
        reconciler.tick()
    assert nodes[1].log == ["register 2", "set_live 2"]  # 1, the candidate, was there
    assert metric_rows.stored_metrics(shop.ledger)["nodes_away"] == 0
    assert holds.current(shop.ledger) is None


def test_an_empty_node_gets_the_live_version_first(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    nodes[1].restart_empty()
    ticks(services)
    assert nodes[1].log == [
        "register 3",
        "register 2",
    ]  # the first one is the default of an empty server
    assert nodes[0].log == []


def test_a_side_version_is_loaded_on_every_node(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    nodes[1].restart_empty()
    side_rows.add(services.ledger, 1, "home", limit=1)
    ticks(services)
    assert nodes[0].log == ["register 1"]
    assert nodes[1].log == ["register 3", "register 1", "register 2"]


def test_a_default_that_differs_on_a_node_follows_the_ledger(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    nodes[0].set_live(2)
    ticks(services)
    assert [node.live() for node in nodes] == [3, 3]
    assert (holds.current(services.ledger), switches.serving(services.ledger).live) == (None, 3)


def test_a_node_that_cannot_load_disturbs_no_other(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    nodes[1].restart_empty()
    nodes[1].refuses = True
    ticks(services)
    assert nodes[1].versions() == ()
    assert (nodes[0].log, switches.serving(services.ledger).live) == ([], 3)


def test_when_every_node_is_empty_each_gets_the_live_version(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    for node in nodes:
        node.restart_empty()
    nodes[0].refuses = True  # its disk is full, say
    ticks(services)
    assert nodes[0].versions() == ()
    assert (nodes[1].live(), switches.serving(services.ledger).live) == (3, 3)
    nodes[0].refuses = False
    ticks(services)
    assert [node.live() for node in nodes] == [3, 3]


def test_a_node_without_workers_loads_the_version_again(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    now = [0.0]
    reconciler = Reconciler(services, monotonic=lambda: now[0])
    nodes[0].lost = {3}
    for now[0] in (0.0, 29.0, 30.0, 31.0):
        reconciler.tick()
    assert nodes[0].log == ["set_live 2", "register 3", "set_live 3"]
    assert (nodes[1].log, switches.serving(services.ledger).live) == ([], 3)


def test_a_stand_in_serves_when_all_workers_are_lost(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    now = [0.0]
    reconciler = Reconciler(services, monotonic=lambda: now[0])
    for node in nodes:
        node.lost = {3}
    epoch = switches.serving(services.ledger).epoch
    for now[0] in (0.0, 30.0):
        reconciler.tick()
    assert [node.log for node in nodes] == [["set_live 2", "register 3", "set_live 3"]] * 2
    assert (switches.serving(services.ledger).live, switches.serving(services.ledger).epoch) == (
        3,
        epoch + 2,
    )


def test_a_rollback_needs_one_node_and_no_store(
    services: Services, nodes: tuple[FakeServer, FakeServer], tmp_path: Path
) -> None:
    nodes[0].restart_empty()  # it answers, and has nothing yet
    for archive in (tmp_path / "archives").glob("*.mar"):
        archive.unlink()
    assert release.rollback(services.ledger, services.server, None, by="x").version == 2
    assert (nodes[1].live(), switches.serving(services.ledger).live) == (2, 2)


def test_a_rollback_with_a_node_down_reaches_it_when_it_returns(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    nodes[1].is_down = True
    release.rollback(services.ledger, services.server, None, by="x")
    nodes[1].is_down = False
    ticks(services)
    assert [node.live() for node in nodes] == [2, 2]


def test_a_rollback_does_not_wait_for_a_node_that_hangs(
    services: Services, nodes: tuple[FakeServer, FakeServer], tmp_path: Path
) -> None:
    hung = Hangs(tmp_path / "archives", tmp_path / "b")
    server = ServerNodes({"a": nodes[0], "b": hung})
    assert release.rollback(services.ledger, server, None, by="x").version == 2
    assert not hung.was_waited_for
    hung.goes_on.set()
    assert [node.live() for node in nodes] == [2, 3]
    ticks(services)
    assert [node.live() for node in nodes] == [2, 2]


def test_with_all_nodes_down_every_call_is_unavailable(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    reconciler = ticks(services, 1)
    for node in nodes:
        node.is_down = True
    with pytest.raises(Unavailable, match="a, b"):
        services.server.versions()
    with pytest.raises(Unavailable, match="a, b"):
        services.server.predict(3, {}, timeout_s=1)
    with pytest.raises(Unavailable):
        reconciler.tick()
    assert metric_rows.stored_metrics(services.ledger)["nodes_away"] == 2


def test_the_previous_version_always_stays_loaded(services: Services) -> None:
    frugal = replace(
        services.settings, release=replace(services.settings.release, keep_registered=1)
    )
    assert [one.version for one in kept_loaded(replace(services, settings=frugal))] == [3, 2]


def test_a_refused_version_is_removed_from_all_nodes(
    services: Services, nodes: tuple[FakeServer, FakeServer]
) -> None:
    archive = release_rows.release(services.ledger, 1).manifest.archive
    nodes[0].register(1, archive)
    nodes[1].refuses = True
    with pytest.raises(ServerRefused, match=r"node b"):
        services.server.register(1, archive)
    assert [one.version for one in nodes[0].versions()] == [1, 2, 3]
    assert [one.version for one in nodes[1].versions()] == [2, 3]
