"""Interleaved lists over the API: drafted from two arms, recorded with teams, measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copy

import pytest

from cron import wiring
from cron.cycle.experiments import measure_experiments
from cron.ledger import experiment_rows
from cron.placement import parse_placement
from cron.serving.experiment_reports import report_on
from cron.settings.tree import RewardSettings
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in
from tests.component.house import open_house

LIMIT_S = 120.0  # of what takes a second on an idle machine
ARMS: list[dict[str, object]] = [{"name": "a"}, {"name": "b", "rules": {"diversity": 0.5}}]
NUM_USERS = 20


class TwoMindedModel(StandIn):
    """A model whose more varied list has other items; it refuses a filter, or hangs, if told to."""

    refuses_variety = False

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        rules = asked.get("rules")
        is_varied = isinstance(rules, dict) and "diversity" in rules
        if is_varied and self.refuses_variety:
            return 400, {"error": {"field": "diversity", "reason": "diversity: not today"}}
        k = asked["k"]
        assert isinstance(k, int)
        name = "varied" if is_varied else "plain"
        items = [
            {"id": f"{name}-{number}", "title": "T", "score": 9.0 - number} for number in range(k)
        ]
        return 200, {"items": items, "model_version": 3}


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway with the placement `home`, which has a pin."""
    model = TwoMindedModel()
    copy(story_ledger, tmp_path / "ledger.db")
    home = parse_placement({"k": 5, "pins": [{"item_id": "pin", "position": 2}]})
    settings = replace(
        settings_in(tmp_path, inference_port=model.port, api_key="the-key"),
        placements={"home": home},
    )
    with gateway(settings) as client:
        client.headers["Authorization"] = "Bearer the-key"
        item = {"item_id": "pin", "title": "Pinned"}
        client.post("/v1/items", json=[item]).raise_for_status()
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()


def ask(shop: RunningGateway, **visitor: object) -> dict[str, object]:
    body = {"history": [], "placement": "home", **visitor}
    answer = shop.client.post("/v1/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def start(shop: RunningGateway, arms: list[dict[str, object]] = ARMS) -> None:
    draft = {"kind": "interleaving", "placement": "home", "arms": arms, "effect": 0.5}
    answer = shop.client.put("/v1/experiments/try", json=draft)
    assert answer.status_code == 200, answer.text
    assert answer.json()["kind"] == "interleaving"
    deadline = time.monotonic() + LIMIT_S
    while "experiment" not in ask(shop, user_id="ann"):
        assert time.monotonic() < deadline


def items_of(answer: dict[str, object]) -> list[dict[str, object]]:
    items = answer["items"]
    assert isinstance(items, list)
    return items


def test_a_list_has_items_of_both_arms_and_the_pin(shop: RunningGateway) -> None:
    start(shop)
    answer = ask(shop, user_id="ann")
    items = items_of(answer)
    assert (answer["experiment"], answer["policy"], "arm" in answer) == (
        "try",
        "interleaved",
        False,
    )
    assert [item["rank"] for item in items] == [1, 2, 3, 4, 5]
    assert items[1]["pinned"] is True
    teams = [str(item["team"]) for item in items if "team" in item]
    assert sorted(teams) == ["a", "a", "b", "b"]
    names = {"a": "plain", "b": "varied"}
    for item in items:
        if "team" in item:
            assert str(item["id"]).startswith(names[str(item["team"])])


def test_visitors_get_the_list_of_before_if_an_arm_fails(shop: RunningGateway) -> None:
    start(shop)
    assert isinstance(shop.model, TwoMindedModel)
    shop.model.refuses_variety = True
    answer = ask(shop, user_id="ann")
    assert "experiment" not in answer
    assert [item["id"] for item in items_of(answer)][:2] == ["plain-0", "pin"]


def test_the_popular_items_are_in_no_experiment(shop: RunningGateway) -> None:
    start(shop)
    shop.model.status, shop.model.content = 200, b"not JSON"
    answer = ask(shop, user_id="ann")
    assert answer["fallback"] is True
    assert "experiment" not in answer


def test_a_session_keeps_its_arm_and_names_its_lists(shop: RunningGateway) -> None:
    draft = {"placement": "home", "arms": ARMS}
    shop.client.put("/v1/experiments/halves", json=draft).raise_for_status()
    deadline = time.monotonic() + LIMIT_S
    while "arm" not in ask(shop, session_id="s-0"):
        assert time.monotonic() < deadline
    arms = [ask(shop, session_id=f"s-{number}")["arm"] for number in range(NUM_USERS)]
    assert arms == [ask(shop, session_id=f"s-{number}")["arm"] for number in range(NUM_USERS)]
    assert set(arms) == {"a", "b"}
    assert ask(shop, session_id="s-1")["session_id"] == "s-1"
    assert "arm" not in ask(shop)
    assert "session_id" not in ask(shop, session_id="s-1", user_id="ann")


def test_clicks_prefer_the_arm_whose_items_they_are_on(
    shop: RunningGateway, tmp_path: Path
) -> None:
    start(shop)
    clicks = []
    for number in range(NUM_USERS):
        answer = ask(shop, user_id=f"user-{number}")
        clicks += [
            {
                "user_id": f"user-{number}",
                "item_id": item["id"],
                "type": "click",
                "recommendation_id": answer["recommendation_id"],
            }
            for item in items_of(answer)
            if item.get("team") == "b"
        ]
    shop.client.post("/v1/events", json=clicks).raise_for_status()
    deadline = time.monotonic() + LIMIT_S
    while shop.client.get("/v1/status").json()["recorder"]["waiting"]:
        assert time.monotonic() < deadline
    house = open_house(tmp_path)
    house.collect()
    ledger = wiring.open_ledger(shop.settings.store.ledger)
    measure_experiments(
        ledger, house.journal, RewardSettings(), house.lease, keep=timedelta(days=35)
    )
    report = report_on(ledger, experiment_rows.one(ledger, "try"))
    assert [arm.reward for arm in report.arms] == pytest.approx([0.0, 2.0], abs=0.3)
    assert report.arms[0].num_users >= NUM_USERS
    assert report.outcome is not None
    (found,) = report.outcome.comparisons
    assert found.estimate.value > 1.5
    assert report.outcome.sample_ratio_p is None
    house.journal.close()
    ledger.close()


def test_each_item_has_the_text_of_the_arm_that_picked_it(shop: RunningGateway) -> None:
    """An arm without texts has none in a list that it shares."""
    start(shop, [{"name": "a"}, {"name": "b", "rules": {"diversity": 0.5, "copy": "none"}}])
    items = ask(shop, user_id="ann", copy=True)["items"]
    assert isinstance(items, list)
    with_text = {one.get("team"): "copy" in one for one in items}
    assert with_text == {"a": True, "b": False, None: True}  # no arm picked the pin
