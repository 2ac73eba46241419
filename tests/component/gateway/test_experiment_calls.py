"""Experiments over the API: started, followed in lists, refused with reasons, stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copy

import pytest

from cron.ledger import side_rows
from cron.ledger.ledger import open_ledger
from cron.placement import Placement
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in

PATH = "/v1/experiments"
LIMIT_S = 120.0  # of what takes a second on an idle machine
DRAFT: dict[str, object] = {
    "placement": "home",
    "arms": [{"name": "a"}, {"name": "b", "rules": {"k": 3}}],
}


class ColourlessModel(StandIn):
    """A model whose items have no colours: it refuses a filter by one."""

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        if asked.get("filter"):
            return 400, {"error": {"field": "filter", "reason": "filter: no item has a colour"}}
        return super().answer(path, asked)


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway with the placements `home` and `cart`."""
    model = ColourlessModel()
    copy(story_ledger, tmp_path / "ledger.db")
    settings = replace(
        settings_in(tmp_path, inference_port=model.port, api_key="the-key"),
        placements={"home": Placement(k=7), "cart": Placement(k=2)},
    )
    with gateway(settings) as client:
        client.headers["Authorization"] = "Bearer the-key"
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()


def start(shop: RunningGateway, name: str = "try", **fields: object) -> dict[str, object]:
    answer = shop.client.put(f"{PATH}/{name}", json={**DRAFT, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def ask(shop: RunningGateway, user: str, placement: str = "home") -> dict[str, object]:
    body = {"user_id": user, "history": [], "placement": placement}
    answer = shop.client.post("/v1/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def until_arms(shop: RunningGateway, *, are_given: bool) -> dict[str, list[str]]:
    """Ask for many users until the gateway has seen a change; return the users by arm."""
    deadline = time.monotonic() + LIMIT_S
    while ("arm" in ask(shop, "ann")) is not are_given:
        assert time.monotonic() < deadline
    by_arm: dict[str, list[str]] = {}
    for user in [f"user-{number}" for number in range(30)]:
        answer = ask(shop, user)
        by_arm.setdefault(str(answer.get("arm")), []).append(user)
    return by_arm


def test_users_stay_in_arms_with_the_rules_of_each(shop: RunningGateway) -> None:
    started = start(shop)
    assert (started["ended_at"], started["state"]) == (None, None)
    by_arm = until_arms(shop, are_given=True)
    assert set(by_arm) == {"a", "b"}
    for arm, k in (("a", 7), ("b", 3)):
        answer = ask(shop, by_arm[arm][0])
        assert (answer["experiment"], answer["arm"]) == ("try", arm)
        assert shop.model.asked[-1]["k"] == k
    assert "arm" not in ask(shop, "ann", "cart")
    stopped = shop.client.post(f"{PATH}/try/stop", json={"reason": "enough"})
    assert (stopped.status_code, stopped.json()["why"]) == (200, "enough")
    assert set(until_arms(shop, are_given=False)) == {"None"}
    assert shop.client.post(f"{PATH}/try/stop", json={}).status_code == 409


def test_an_arm_that_the_model_refuses_shows_the_list_of_before(shop: RunningGateway) -> None:
    start(shop, arms=[{"name": "a"}, {"name": "b", "rules": {"filter": {"colour": "red"}}}])
    by_arm = until_arms(shop, are_given=True)
    answer = ask(shop, by_arm["b"][0])
    assert (answer["arm"], answer.get("fallback")) == ("b", None)
    assert shop.model.asked[-1].get("filter") in (None, {})


def test_the_release_of_an_arm_makes_its_lists(shop: RunningGateway) -> None:
    """Where it is not loaded the live one answers, and the arm has an error."""
    start(shop, arms=[{"name": "a"}, {"name": "b", "release": 2}])
    ledger = open_ledger(shop.settings.store.ledger)
    assert [one.version for one in side_rows.every(ledger)] == [2]
    by_arm = until_arms(shop, are_given=True)
    answer = ask(shop, by_arm["b"][0])
    assert (answer["arm"], answer["model_version"]) == ("b", 2)
    assert ask(shop, by_arm["a"][0])["model_version"] == 3
    shop.model.versions = {3}
    assert ask(shop, by_arm["b"][0])["model_version"] == 3
    deadline = time.monotonic() + LIMIT_S
    while shop.client.get(f"{PATH}/try").json()["arms"][1]["errors"] != 1:
        assert time.monotonic() < deadline
    assert shop.client.get(f"{PATH}/try").json()["arms"][1]["release"] == 2
    shop.client.post(f"{PATH}/try/stop", json={}).raise_for_status()
    assert side_rows.every(ledger) == ()
    ledger.close()


def test_a_refused_experiment_loads_no_release(shop: RunningGateway) -> None:
    start(shop, share=0.9, arms=[{"name": "a"}, {"name": "b", "release": 2}])
    again = shop.client.put(f"{PATH}/try", json={"arms": [{"name": "a"}, {"name": "b"}]})
    assert again.status_code == 409
    arms = [{"name": "a"}, {"name": "b", "release": 1}]
    full = shop.client.put(f"{PATH}/two", json={**DRAFT, "arms": arms})
    assert full.status_code == 409
    ledger = open_ledger(shop.settings.store.ledger)
    assert [(one.version, one.needed_by) for one in side_rows.every(ledger)] == [
        (2, "experiment try")
    ]
    ledger.close()


def test_an_experiment_is_listed_and_read(shop: RunningGateway) -> None:
    start(shop)
    one = shop.client.get(f"{PATH}/try").json()
    assert [arm["name"] for arm in one["arms"]] == ["a", "b"]
    assert one["arms"][1]["rules"] == {"k": 3}
    assert shop.client.get(PATH).json()["experiments"] == [one]
    unknown = shop.client.get(f"{PATH}/other")
    assert (unknown.status_code, unknown.json()["error"]["field"]) == (404, "name")


@pytest.mark.parametrize(
    ("name", "fields", "status", "reason"),
    [
        ("try", {}, 409, "there was an experiment 'try' already"),
        ("two", {"share": 0.6}, 409, "no free part of 60%"),
        ("two", {"layer": "other"}, 409, "'try' of the layer 'default' is running"),
        ("two", {"placement": "hmoe"}, 400, "expected one of cart, home"),
        ("two", {"arms": [{"name": "a"}]}, 400, "expected 2 to 6 arms"),
        ("a b", {}, 400, "1 to 64 of the characters"),
        ("two", {"arms": [{"name": "a"}, {"name": "b", "release": 9}]}, 400, "such as"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(
    shop: RunningGateway, name: str, fields: dict[str, object], status: int, reason: str
) -> None:
    start(shop, share=0.5)
    answer = shop.client.put(f"{PATH}/{name}", json={**DRAFT, **fields})
    assert answer.status_code == status
    assert reason in answer.json()["error"]["reason"]
