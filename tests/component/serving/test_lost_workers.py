"""A live version or candidate that lost its workers: what is loaded and what serves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cron.errors import ServerRefused
from cron.ledger import holds, metric_rows, release_rows, switches
from cron.services import Services
from cron.serving.reconcile import Reconciler
from cron.serving.restore import restore
from tests.component.serving.reconciling import SteppedClock, record_asked, ticks
from tests.workshop import server_of


def lost_for(services: Services, seconds: float) -> Reconciler:
    clock = SteppedClock()
    reconciler = Reconciler(services, monotonic=clock)
    reconciler.tick()
    clock.now += seconds
    reconciler.tick()
    return reconciler


def test_a_live_version_that_recovers_in_time_is_left_alone(services: Services) -> None:
    server_of(services).lost = {3}
    lost_for(services, 29.0)
    assert server_of(services).log == []


def test_a_candidate_serves_while_live_is_loaded_again(
    services: Services,
) -> None:
    server_of(services).lost = {3}
    lost_for(services, 30.0)
    assert server_of(services).log == ["set_live 2", "register 3", "set_live 3"]
    assert (
        switches.serving(services.ledger).live,
        services.server.live(),
        holds.current(services.ledger),
    ) == (
        3,
        3,
        None,
    )
    assert services.server.versions()[-1].ready
    assert metric_rows.stored_metrics(services.ledger)["lost_workers"] == 1


def test_a_live_version_that_cannot_reload_is_replaced(services: Services) -> None:
    server_of(services).lost, server_of(services).refuses = {3}, True
    reconciler = lost_for(services, 30.0)
    reconciler.tick()
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)
    assert release_rows.release(services.ledger, 3).rolled_back_at is None
    server_of(services).refuses = False
    ticks(
        replace(
            services,
            settings=replace(
                services.settings, release=replace(services.settings.release, keep_registered=3)
            ),
        )
    )
    assert (switches.serving(services.ledger).live, services.server.versions()[-1].ready) == (
        2,
        True,
    )  # loaded, to be promoted by a person


def test_live_is_loaded_again_without_a_ready_candidate(
    services: Services,
) -> None:
    server_of(services).lost = {1, 2, 3}
    lost_for(services, 30.0)
    assert "register 3" in server_of(services).log
    assert (switches.serving(services.ledger).live, services.server.live()) == (3, 3)
    assert services.server.predict(None, {"user_seq": [], "k": 1}, timeout_s=1)


def test_a_candidate_that_lost_its_workers_is_loaded_again(services: Services) -> None:
    server_of(services).lost = {2}
    ticks(services, 1)
    assert server_of(services).log == ["register 2"]


def test_a_candidate_waits_until_there_is_memory(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    server, clock = server_of(services), SteppedClock()
    server.unregister(2)
    server.left_bytes = 999
    reconciler = Reconciler(services, monotonic=clock)
    for _ in range(3):
        reconciler.tick()
    assert "register 2" not in server.log
    (told,) = [
        record
        for record in caplog.records
        if record.message == "a version beside the live one could not be loaded"
    ]
    assert "no memory for one more version" in told.why  # type: ignore[attr-defined]
    server.left_bytes = 1_000
    clock.now += 30.0
    reconciler.tick()
    assert server.log[-1] == "register 2"


def test_a_refused_default_does_not_count_as_restored(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    """The version is there after its loading and loses its worker before it is made the default."""
    caplog.set_level("INFO")
    server = server_of(services)
    server.restart_empty()
    server.register(1, release_rows.release(services.ledger, 1).manifest.archive)
    register = server.register

    def register_and_lose(version: int, url: str) -> None:
        register(version, url)
        server.lost.add(version)

    server.register = register_and_lose  # type: ignore[method-assign]
    with pytest.raises(ServerRefused, match="without a READY worker"):
        restore(services)
    assert "restored the live version" not in [record.message for record in caplog.records]
    assert (switches.serving(services.ledger).live, switches.under_way(services.ledger)) == (
        3,
        None,
    )


def test_a_refusing_server_is_asked_every_half_minute(services: Services) -> None:
    server, clock = server_of(services), SteppedClock()
    server.restart_empty()
    server.refuses = True
    asked = record_asked(services)
    reconciler = Reconciler(services, monotonic=clock)
    for _ in range(20):
        reconciler.tick()
    assert asked == [3, 3, 3, 2, 1, 3, 2, 1]
    epoch = switches.serving(services.ledger).epoch
    clock.now += 29.0
    reconciler.tick()
    assert (len(asked), switches.serving(services.ledger).epoch) == (8, epoch)
    server.refuses = False
    clock.now += 1.0
    reconciler.tick()
    assert (switches.serving(services.ledger).live, services.server.live()) == (3, 3)
