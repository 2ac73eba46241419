"""Every list that the gateway serves becomes a slate in the event log, and in the journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copy

import pytest

from cron import wiring
from cron.ledger import slate_rows
from cron.placement import parse_placement
from cron.ports import START
from cron.settings.tree import Settings, SlateSettings
from recommender.records.slates import Slate
from tests.component.gateway_process import StandIn, gateway, settings_in
from tests.component.house import open_house

ITEMS = [{"id": str(number), "title": f"Film {number}", "score": 9 - number} for number in range(3)]
PLACEMENTS = {"home": {"k": 3, "pins": [{"item_id": "pinned", "position": 1}]}}
PATH = "/v1/recommendations"


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[tuple[Settings, StandIn]]:
    """Return the settings of a gateway with a pin, and a model with three items."""
    model = StandIn()
    model.body = {"items": ITEMS, "model_version": 3}
    copy(story_ledger, tmp_path / "ledger.db")
    placements = {name: parse_placement(one) for name, one in PLACEMENTS.items()}
    yield replace(settings_in(tmp_path, inference_port=model.port), placements=placements), model
    model.stop()


def slates_in(settings: Settings) -> dict[str, Slate]:
    """Return the slates of the log by the id of their answer."""
    batch = wiring.open_log(settings.store.events).read(START, 10_000)
    assert batch.rejected == ()
    return {slate.event_id: slate for slate in batch.slates}


def test_each_answer_is_in_the_log_after_the_end(shop: tuple[Settings, StandIn]) -> None:
    settings, model = shop
    with gateway(settings) as client:
        item = {"item_id": "pinned", "title": "The pin"}
        client.post("/v1/items", json=item).raise_for_status()
        plain = client.get(f"{PATH}/ann").json()
        pinned = client.post(PATH, json={"user_id": "ben", "placement": "home"}).json()
        visitor = client.post(PATH, json={"history": [{"id": "7"}], "k": 2}).json()
        refused = client.post(PATH, json={"user_id": "ann", "k": 0})
        lines = "\n".join(json.dumps({"user_id": f"user-{number}"}) for number in range(5))
        headers = {"Content-Type": "application/x-ndjson"}
        batch = client.post(PATH, content=lines, headers=headers)
        model.stop()
        fallback = client.get(f"{PATH}/ann").json()
    assert refused.status_code == 400
    found = slates_in(settings)
    many = [json.loads(line) for line in batch.text.splitlines()]
    answers = [plain, pinned, visitor, fallback, *many]
    assert found.keys() == {one["recommendation_id"] for one in answers}
    for one in answers:
        slate = found[one["recommendation_id"]]
        assert slate.items == tuple(item["id"] for item in one["items"])
        assert (slate.user_id, slate.version) == (one["user_id"], one["model_version"])
        assert (slate.policy, slate.placement) == (one["policy"], one.get("placement"))
    assert found[plain["recommendation_id"]].propensities == (1.0, 1.0, 1.0)
    assert found[pinned["recommendation_id"]].propensities == (None, 1.0, 1.0)
    assert found[fallback["recommendation_id"]].fallback
    assert len(many) == 5


def test_slates_of_explored_lists_say_what_greedy_ones_had(
    shop: tuple[Settings, StandIn],
) -> None:
    """The shop's answer does not; a pin has no rank, and a plain list has none at all."""
    settings, model = shop
    explored = [
        {**item, "propensity": 0.5, "greedy_rank": rank}
        for item, rank in zip(ITEMS, (3, 0, 1), strict=True)
    ]
    with gateway(settings) as client:
        item = {"item_id": "pinned", "title": "The pin"}
        client.post("/v1/items", json=item).raise_for_status()
        plain = client.get(f"{PATH}/ann").json()
        model.body = {"items": explored, "model_version": 3, "policy": "plackett_luce"}
        answer = client.post(PATH, json={"user_id": "ben", "placement": "home"})
    assert "greedy_rank" not in answer.text
    found = slates_in(settings)
    assert found[answer.json()["recommendation_id"]].greedy_ranks == (None, 3, 0)
    assert found[plain["recommendation_id"]].greedy_ranks is None


def test_lists_reach_the_journal_and_the_status(
    shop: tuple[Settings, StandIn], tmp_path: Path
) -> None:
    settings, _ = shop
    with gateway(settings) as client:
        first = client.get(f"{PATH}/ann").json()
    house = open_house(tmp_path)
    assert house.collect() == (0, 0, 0)
    now = house.ledger.now()
    assert slate_rows.counts_of_day(house.ledger, now=now).num_slates == 1
    (kept,) = house.journal.slates.since(now.replace(year=2020))
    assert kept.event_id == first["recommendation_id"]
    with gateway(settings) as client:
        status = client.get("/v1/status").json()
    assert status["slates"] == {"last_day": 1, "fallbacks": 0}
    assert status["recorder"] == {"recording": True, "waiting": 0, "stored": 0, "dropped": 0}
    assert status["waiting"]["in_log"] == 0


def test_switched_off_nothing_is_recorded(shop: tuple[Settings, StandIn]) -> None:
    settings = replace(shop[0], slates=SlateSettings(record=False))
    with gateway(settings) as client:
        client.get(f"{PATH}/ann").raise_for_status()
        assert client.get("/v1/status").json()["recorder"]["recording"] is False
    assert slates_in(settings) == {}
