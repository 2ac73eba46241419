"""Simulated visitors bring an experiment on interleaved lists to its end, by its statistics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copy

import pytest

from cron import wiring
from cron.__main__ import main
from cron.cycle.experiments import measure_experiments
from cron.experiment import parse_draft
from cron.ledger import experiment_rows
from cron.placement import Placement
from cron.settings.tree import RewardSettings
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in
from tests.component.house import open_house

LIMIT_S = 180.0
GENRES = ("Drama", "War")


class ShelfModel(StandIn):
    """A model that shows films of both genres, or those without a genre that are left."""

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        rules = asked.get("rules")
        is_varied = isinstance(rules, dict) and "diversity" in rules
        names = ["Plain"] if is_varied else GENRES
        items = [
            {"id": f"{names[number % len(names)]}-{number}", "title": "T", "score": 9.0 - number}
            for number in range(10)
        ]
        return 200, {"items": items, "model_version": 3}


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a small shop whose films have genres."""
    model = ShelfModel()
    copy(story_ledger, tmp_path / "ledger.db")
    settings = replace(
        settings_in(tmp_path, inference_port=model.port), placements={"home": Placement(k=6)}
    )
    with gateway(settings) as client:
        items = [
            {"item_id": f"{genre}-{number}", "title": "T", "attributes": {"genre": [genre]}}
            for number in range(10)
            for genre in (*GENRES, "Plain")
            if genre != "Plain" or number < 1
        ]
        client.post("/v1/items", json=items).raise_for_status()
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()


def test_visitors_end_an_experiment_on_interleaved_lists(
    shop: RunningGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = [{"name": "a"}, {"name": "b", "rules": {"diversity": 0.5}}]
    draft = {"kind": "interleaving", "placement": "home", "arms": arms, "effect": 0.5}
    ledger = wiring.open_ledger(shop.settings.store.ledger)
    weights = {"reward": {"click": 1}}
    experiment_rows.start(ledger, "varied", parse_draft({**draft, **weights}), by="ann")
    deadline = time.monotonic() + LIMIT_S
    while "experiment" not in _list(shop):
        assert time.monotonic() < deadline
    monkeypatch.setenv("FRESHET__STORE__LEDGER", shop.settings.store.ledger)
    visit = ["visit", "--placement", "home", "--visits", "300", "--visitors", "150", "--k", "6"]
    url = str(shop.client.base_url)
    assert main([*visit, "--speed", "100000", "--likes", "genre", "--url", url]) == 0
    while shop.client.get("/v1/status").json()["recorder"]["waiting"]:
        assert time.monotonic() < deadline
    house = open_house(tmp_path)
    house.collect()
    measure_experiments(
        ledger, house.journal, RewardSettings(), house.lease, keep=timedelta(days=35)
    )
    end = experiment_rows.one(ledger, "varied").end
    assert end is not None
    assert (end.by, end.why, end.winner) == ("its statistics", "b is worse", "a")
    house.journal.close()
    ledger.close()


def _list(shop: RunningGateway) -> dict[str, object]:
    body = {"user_id": "ann", "placement": "home"}
    found: dict[str, object] = shop.client.post("/v1/recommendations", json=body).json()
    return found
