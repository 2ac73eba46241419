"""A workshop that has published a baseline and a full release, copied for each test; and a house in which nothing was collected."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.cycle.cycle import run_cycle
from cron.lineage import Lease
from cron.parts import Parts
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
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a baseline and a full release, copied by each test."""
    folder = tmp_path_factory.mktemp("trained")
    parts = open_workshop(folder)
    lease = lease_of(parts.ledger)
    send(parts, [*item_records(), *event_records(1, 400)])
    assert [run_cycle(parts, lease).mode for _ in range(2)] == ["baseline", "full"]
    close_workshop(parts)
    return folder


@pytest.fixture
def parts(trained: Path, tmp_path: Path) -> Iterator[Parts]:
    folder = tmp_path / "workshop"
    shutil.copytree(trained, folder)
    parts = open_workshop(folder)
    yield parts
    close_workshop(parts)


@pytest.fixture
def lease(parts: Parts) -> Lease:
    return lease_of(parts.ledger)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = open_house(tmp_path)
    yield opened
    opened.journal.close()
    opened.ledger.close()
