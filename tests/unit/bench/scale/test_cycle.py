"""The bench of cycles runs the worker's own cycle and says what each stage used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.scale.costs import Size
from bench.scale.cycle import LIVE, costs_of, settings_of
from bench.scale.cycle_runs import ShopHistory, prepare, update_cycles
from bench.scale.cycle_usage import Cycle
from cron.ledger import holds, release_rows
from cron.services import Services
from cron.wiring import open_services
from recommender.config import ModelConfig
from tests.fakes import FakeServer
from tests.workshop import HereLauncher

HISTORY = ShopHistory(num_items=60, num_events=3_000, num_new=600, learned=1_000)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services with a small model, a trainer in this process and a fake server."""
    folder = tmp_path_factory.mktemp("shop")
    settings = settings_of(folder, "torchserve://127.0.0.1:1/rec?inference=2")
    model = ModelConfig(tower="lstm", text_dim=8, dim=8, num_layers=1, num_heads=1, max_history=20)
    settings = replace(settings, train=replace(settings.train, model=model, update_epochs=1))
    services = open_services(settings)
    yield replace(
        services,
        launcher=HereLauncher(services.paths.texts),
        server=FakeServer(folder / "archives", folder / "server"),
    )
    services.journal.close()
    services.ledger.close()


@pytest.fixture(scope="module")
def cycle(shop: Services) -> Cycle:
    """The update of the shop's first release by the 600 events after its history."""
    prepare(shop, HISTORY)
    (measured,) = update_cycles(shop, HISTORY, [600], os.getpid())
    return measured


def test_the_updated_release_learned_the_newest_history(shop: Services, cycle: Cycle) -> None:
    """The update learned the events after it. What was excluded before is not any longer."""
    full, update = release_rows.newest_releases(shop.ledger)[-2:]
    assert full.manifest.mode == "full"
    assert full.manifest.excluded == ((61, 2_060),)
    assert update.version == cycle.run.version
    assert update.manifest.target_range == (3_061, 3_660)
    assert holds.excluded_ranges(shop.ledger) == ()


def test_a_cycle_is_measured_stage_by_stage(cycle: Cycle) -> None:
    names = [stage.name for stage in cycle.stages]
    assert names[:3] == ["plan", "snapshot", "train"]
    assert names[-2:] == [LIVE, "tidy"]
    assert all(stage.wall_s > 0 and stage.worker_gib > 0 for stage in cycle.stages)
    assert sum(stage.wall_s for stage in cycle.stages[:-1]) == pytest.approx(cycle.wall_s(LIVE))


def test_stored_bytes_are_those_of_new_artifacts(shop: Services, cycle: Cycle) -> None:
    live = release_rows.live(shop.ledger)
    store = shop.artifacts.folder()
    assert live is not None
    assert store is not None
    assert cycle.stored["archives"] == (store / live.manifest.archive).stat().st_size
    assert {"journal", "manifests", "states"} < set(cycle.stored)


def test_the_costs_of_a_cycle_name_its_stages(cycle: Cycle) -> None:
    costs = costs_of(Size(num_items=60, num_events=3_000), 600, cycle)
    assert {cost.unit for cost in costs} == {"s", "processor s", "GiB", "MB"}
    for stage in cycle.stages:
        assert any(cost.what == f"an update of 600 events, {stage.name}" for cost in costs)
