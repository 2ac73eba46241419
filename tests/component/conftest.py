"""Shared fixtures: a workshop with two releases, copied per test, and an empty house."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cron.cycle.cycle import run_cycle
from cron.lineage import Lease
from cron.services import Services
from cron.settings.tree import Settings
from cron.snapshot.pools import SIZES
from cron.snapshot.snapshot import build_snapshot
from tests.component.at_work import free
from tests.component.command_line import NUM_RATINGS
from tests.component.gateway_process import settings_in
from tests.component.house import House, open_house
from tests.component.snapshots import SMALL, Build
from tests.component.training import small_config, train
from tests.planted import write_planted_snapshot
from tests.shelf import open_shelf
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
)
from trainer.config import TrainConfig


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
def shelf(tmp_path: Path) -> Iterator[Services]:
    """Versions 1 and 2 are loaded, 2 is live; the lease is free."""
    services = open_shelf(tmp_path, 1, 2)
    free(services)
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


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return small_config(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory, config: TrainConfig) -> Path:
    """A candidate trained on the planted data."""
    folder = tmp_path_factory.mktemp("full")
    return train(folder, write_planted_snapshot(folder / "snapshot"), config)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings in a folder, in force for the command line."""
    settings = settings_in(tmp_path, inference_port=9)
    for name in ("events", "histories", "artifacts", "ledger", "server", "var"):
        monkeypatch.setenv(f"FRESHET__STORE__{name.upper()}", getattr(settings.store, name))
    return settings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a small data set: hourly ratings, newest first, one of them broken, two films."""
    folder = tmp_path / "ml"
    folder.mkdir()
    rows = [
        f"{1 + number % 2},{1 + number % 2},4.0,{1_000_000_000 + 3600 * number}"
        for number in range(NUM_RATINGS)
    ]
    (folder / "ratings.csv").write_text(
        "\n".join(["userId,movieId,rating,timestamp", *reversed(rows), "1,1,good,1000000000"])
        + "\n"
    )
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n1,Toy Story (1995),Comedy\n2,Heat (1995),Action|Crime\n"
    )
    return folder


@pytest.fixture(params=[SIZES, SMALL], ids=["whole", "parts"])
def build(request: pytest.FixtureRequest) -> Build:
    """Return `build_snapshot` of a journal that it reads whole, and of one it reads in parts."""
    return partial(build_snapshot, sizes=request.param)
