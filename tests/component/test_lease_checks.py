"""A worker without its lease neither loads nor unloads: it checks before each call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.retention import tidy
from cron.errors import LeaseLost
from cron.ledger import release_rows
from cron.lineage import Lease
from cron.server_versions import ServerMemory, ServerVersion
from cron.services import Services
from tests.workshop import event_records, lease_of, send, server_of


def lost_at(services: Services, when: Callable[[], bool]) -> list[str]:
    """Let another worker take the lease at a server call for which `when` holds; return the log."""
    server = server_of(services)
    versions, memory, is_lost = server.versions, server.memory, [False]

    def lose() -> None:
        if when() and not is_lost[0]:
            is_lost[0] = True
            lease_of(services.ledger)
            server.log.clear()

    def look() -> tuple[ServerVersion, ...]:
        lose()
        return versions()

    def measure() -> ServerMemory | None:
        lose()
        return memory()

    server.versions, server.memory = look, measure  # type: ignore[method-assign]
    return server.log


def test_without_the_lease_no_version_is_registered(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    log = lost_at(services, lambda: release_rows.archive_manifest(services.ledger, 2) is not None)
    with pytest.raises(LeaseLost):
        run_cycle(services, lease)
    assert log == []


def test_without_the_lease_no_version_is_unloaded(services: Services, lease: Lease) -> None:
    frugal = replace(
        services,
        settings=replace(
            services.settings, release=replace(services.settings.release, keep_registered=1)
        ),
    )
    log = lost_at(services, lambda: True)
    with pytest.raises(LeaseLost):
        tidy(frugal, lease)
    assert log == []
    assert [found.version for found in services.server.versions()] == [0, 1]
