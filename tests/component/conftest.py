"""Shared fixtures: a workshop with two releases, copied per test, and an empty house."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.cycle.cycle import run_cycle
from cron.lineage import Lease
from cron.services import Services
from tests.component.house import House, open_house
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
)


@pytest.fixture(scope="session")
def trained_services(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a baseline and a full release, copied by each test."""
    folder = tmp_path_factory.mktemp("trained")
    services = open_workshop(folder)
    lease = lease_of(services.ledger)
    send(services, [*item_records(), *event_records(1, 400)])
    assert [run_cycle(services, lease).mode for _ in range(2)] == ["baseline", "full"]
    close_workshop(services)
    return folder


@pytest.fixture
def services(trained_services: Path, tmp_path: Path) -> Iterator[Services]:
    folder = tmp_path / "workshop"
    shutil.copytree(trained_services, folder)
    services = open_workshop(folder)
    yield services
    close_workshop(services)


@pytest.fixture
def lease(services: Services) -> Lease:
    return lease_of(services.ledger)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = open_house(tmp_path)
    yield opened
    opened.journal.close()
    opened.ledger.close()
