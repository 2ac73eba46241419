"""Versions beside the live one: loaded, kept, loaded again, and unloaded."""

from __future__ import annotations

from cron.cycle.retention import drop_version, tidy
from cron.ledger import side_rows
from cron.services import Services
from tests.component.serving.reconciling import ticks
from tests.workshop import lease_of, server_of


def versions_of(services: Services) -> list[int]:
    return [one.version for one in services.server.versions()]


def test_a_side_version_is_loaded_and_stays(services: Services) -> None:
    """Two releases stay loaded by the settings, and the first is the third best."""
    lease = lease_of(services.ledger)
    tidy(services, lease)
    assert versions_of(services) == [2, 3]
    side_rows.add(services.ledger, 1, "home", limit=2)
    ticks(services)
    tidy(services, lease)
    drop_version(services.ledger, services.server, 1)
    assert versions_of(services) == [1, 2, 3]
    side_rows.remove(services.ledger, "home")
    ticks(services)
    tidy(services, lease)
    assert versions_of(services) == [2, 3]


def test_a_restarted_server_gets_it_after_the_live_one(services: Services) -> None:
    side_rows.add(services.ledger, 1, "home", limit=2)
    server_of(services).restart_empty()
    ticks(services)
    assert server_of(services).log == ["register 3", "set_live 3", "register 1", "register 2"]
    assert services.server.live() == 3


def test_a_side_version_without_workers_is_loaded_again(services: Services) -> None:
    side_rows.add(services.ledger, 1, "home", limit=2)
    server_of(services).lost.add(1)
    ticks(services)
    assert server_of(services).log == ["register 1"]


def test_without_memory_the_live_version_stays_alone(services: Services) -> None:
    side_rows.add(services.ledger, 1, "home", limit=2)
    server_of(services).restart_empty()
    server_of(services).left_bytes = 0
    ticks(services)
    assert versions_of(services) == [3]
