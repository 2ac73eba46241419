"""Placements that explore: what the model is asked, hidden items, pins, older releases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recommender.ranking.ranker import Ranker
from recommender.requests.list_policy import MAX_SEED
from tests.component.gateway.policy_model import PolicyModel, serve_placements
from tests.component.gateway_process import RunningGateway
from tests.planted import planted_bundle

PATH = "/v1/recommendations"
NOW = datetime.now(UTC)
PLACEMENTS: dict[str, object] = {
    "luce": {
        "k": 5,
        "policy": {"name": "plackett_luce", "temperature": 0.5},
        "at_most": {"year": 2},
        "min_rating": 1,
        "pins": [{"item_id": "i7", "position": 2}],
    },
    "new": {
        "k": 4,
        "policy": {
            "name": "epsilon",
            "epsilon": 0.1,
            "new_items": {"share": 1, "impressions": 3, "days": 10},
        },
    },
    "greedy": {"k": 3, "policy": {"name": "greedy"}},
}


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    folder = tmp_path_factory.mktemp("policies") / "bundle"
    return Ranker(planted_bundle(folder, tower="transformer", encoder="tiny"))


@pytest.fixture
def shop(tmp_path: Path, ranker: Ranker) -> Iterator[RunningGateway]:
    """Serve a gateway with placements that explore."""
    with serve_placements(tmp_path, ranker, PLACEMENTS) as running:
        yield running


def ask(running: RunningGateway, placement: str, **body: object) -> dict[str, object]:
    answer = running.client.post(PATH, json={"history": ["i3"], "placement": placement, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def items(found: dict[str, object]) -> list[dict[str, object]]:
    listed = found["items"]
    assert isinstance(listed, list)
    return listed


def ids(found: dict[str, object]) -> list[object]:
    return [one["id"] for one in items(found)]


def policy_asked(running: RunningGateway, place: int = -1) -> dict[str, object]:
    policy = running.model.asked[place]["policy"]
    assert isinstance(policy, dict)
    return policy


def refuse(running: RunningGateway, *names: str) -> None:
    assert isinstance(running.model, PolicyModel)
    running.model.unknown = names


def send_items(running: RunningGateway, *item_ids: str, **more: object) -> None:
    records = [{"item_id": one, "title": f"Title of {one}", **more} for one in item_ids]
    assert running.client.post("/v1/items", json=records).status_code == 202


def test_lists_say_their_policy_and_propensities(shop: RunningGateway) -> None:
    """A pin is not the policy's choice, and has none. Every list has a seed of its own."""
    send_items(shop, "i7")
    found = ask(shop, "luce")
    assert (found["policy"], found["placement"]) == ("plackett_luce", "luce")
    assert len(items(found)) == 5
    pinned, *others = sorted(items(found), key=lambda one: one["rank"] != 2)
    assert (pinned["id"], "propensity" in pinned) == ("i7", False)
    assert all(0 < float(str(one["propensity"])) <= 1 for one in others)
    ask(shop, "luce")
    first, second = policy_asked(shop, -2), policy_asked(shop)
    assert first.keys() == {"name", "seed", "temperature"}
    assert (first["name"], first["temperature"]) == ("plackett_luce", 0.5)
    assert first["seed"] != second["seed"]
    assert 0 <= int(str(first["seed"])) <= MAX_SEED


def test_a_list_without_exploration_is_asked_for_as_before(shop: RunningGateway) -> None:
    found = ask(shop, "greedy")
    assert found["policy"] == "greedy"
    assert all("propensity" not in one for one in items(found))
    assert "policy" not in shop.model.asked[-1]


def test_explain_says_what_the_policy_moved(shop: RunningGateway) -> None:
    moves = [move for one in items(ask(shop, "luce", explain=True, k=20)) for move in one["moved"]]  # type: ignore[attr-defined]
    assert "policy" in {move["rule"] for move in moves}


def test_a_list_is_drawn_again_without_hidden_items(shop: RunningGateway) -> None:
    """Items hidden after the training are left out before the draw, not taken out after it."""
    hidden = [f"i{number}" for number in range(20, 30)]
    send_items(shop, *hidden, hidden=True)
    for _ in range(5):
        shop.model.asked.clear()
        found = ask(shop, "luce", k=15)
        assert not {*ids(found)} & {*hidden}
        assert len(ids(found)) <= 10  # two of each year
        excluded = [{*asked["exclude"]} & {*hidden} for asked in shop.model.asked]  # type: ignore[misc]
        seeds = {policy_asked(shop, place)["seed"] for place in range(len(excluded))}
        assert len(seeds) == len(excluded)
        assert [len(one) for one in excluded] == sorted(len(one) for one in excluded)
        assert {asked["k"] for asked in shop.model.asked} == {15}


def test_a_hidden_item_takes_no_probability_after_its_first_draw(shop: RunningGateway) -> None:
    """Otherwise every later list would report propensities that are too small."""
    send_items(shop, "i20", hidden=True)
    while not any("i20" in str(asked["exclude"]) for asked in shop.model.asked):
        ask(shop, "luce", k=1, candidates=["i20", "i21"])
    shop.model.asked.clear()
    (only,) = items(ask(shop, "luce", k=1, candidates=["i20", "i21"]))
    assert (only["id"], only["propensity"]) == ("i21", 1.0)
    assert len(shop.model.asked) == 1
    send_items(shop, "i20")
    ask(shop, "luce", k=1, candidates=["i20", "i21"])
    assert shop.model.asked[-1]["exclude"] == []


def test_a_list_of_mostly_hidden_items_is_drawn_four_times(shop: RunningGateway) -> None:
    send_items(shop, *(f"i{number}" for number in range(40) if number != 5), hidden=True)
    found = ask(shop, "luce")
    assert {*ids(found)} <= {"i5"}
    if shop.model.asked[0]["exclude"] == []:  # else the gateway knew them before the first draw
        assert len(shop.model.asked) == 4


@pytest.mark.parametrize("unknown", ["policy", "policy.name", "policy.new_items.doubts"])
def test_a_release_older_than_a_policy_is_asked_without(shop: RunningGateway, unknown: str) -> None:
    """The rules still apply, and the list is greedy."""
    refuse(shop, unknown)
    found = ask(shop, "luce")
    assert (found["policy"], found["not_applied"]) == ("greedy", ["policy"])
    assert all("propensity" not in one for one in items(found))
    assert "rules" in shop.model.asked[-1]
    assert ids(found) == ids(ask(shop, "luce"))


def test_a_release_older_than_rules_gets_no_policy_either(shop: RunningGateway) -> None:
    refuse(shop, "rules", "policy")
    found = ask(shop, "luce")
    assert found["policy"] == "greedy"
    assert found["not_applied"] == ["min_rating", "at_most", "policy"]
    assert len(shop.model.asked) == 2


def test_the_fallback_has_no_policy(shop: RunningGateway) -> None:
    shop.model.content = b"broken"
    found = ask(shop, "luce")
    assert (found["policy"], found["not_applied"]) == ("popular", ["min_rating", "policy"])


def test_new_items_are_asked_for_until_they_are_known(shop: RunningGateway) -> None:
    """What is older than ten days is not new; what is hidden is not shown."""
    old = (NOW - timedelta(days=11)).isoformat()
    send_items(shop, "i11", at=old)
    send_items(shop, "i12", "i13", "unknown-to-the-model")
    send_items(shop, "i14", hidden=True)
    found = ask(shop, "new")
    asked = policy_asked(shop)
    assert asked["epsilon"] == 0.1
    new = asked["new_items"]
    assert isinstance(new, dict)
    assert new["share"] == 1
    assert {*new["ids"]} == {"i12", "i13", "unknown-to-the-model"}
    assert {*ids(found)[:2]} == {"i12", "i13"}, "a full share shows them first"
