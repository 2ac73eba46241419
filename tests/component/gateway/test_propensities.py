"""`POST /v1/propensities`: what policies think of lists, as a list's own question would say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from recommender.ranking.ranker import Ranker
from tests.component.gateway.policy_model import PolicyModel, serve_placements
from tests.component.gateway_process import RunningGateway
from tests.planted import planted_bundle

PATH = "/v1/propensities"
LUCE: dict[str, object] = {"name": "plackett_luce", "temperature": 0.5}
PLACEMENTS: dict[str, object] = {
    "luce": {
        "k": 6,
        "policy": LUCE,
        "at_most": {"year": 2},
        "exclude": {"purchase": "forever"},
        "pins": [{"item_id": "i7", "position": 2}],
    },
    "plain": {"k": 4},
}


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    folder = tmp_path_factory.mktemp("propensities") / "bundle"
    return Ranker(planted_bundle(folder, tower="transformer", encoder="tiny"))


@pytest.fixture
def shop(tmp_path: Path, ranker: Ranker) -> Iterator[RunningGateway]:
    """Serve a gateway with a placement that explores."""
    with serve_placements(tmp_path, ranker, PLACEMENTS) as running:
        yield running


def ask(shop: RunningGateway, **body: object) -> dict[str, object]:
    answer = shop.client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def drawn_list(shop: RunningGateway, user_id: str) -> list[dict[str, object]]:
    answer = shop.client.post("/v1/recommendations", json={"user_id": user_id, "placement": "luce"})
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def refusal_of(answer: httpx.Response) -> dict[str, str]:
    found: dict[str, str] = answer.json()["error"]
    return found


def test_a_served_list_has_the_propensities_it_was_drawn_with(shop: RunningGateway) -> None:
    """History, exclusions, rules and pins are those of the list: otherwise they would differ."""
    shop.client.post("/v1/items", json=[{"item_id": "i7", "title": "Seven"}])
    events = [{"user_id": "ann", "item_id": f"i{n}", "type": "purchase"} for n in (3, 4)]
    shop.client.post("/v1/events", json=events)
    for _ in range(5):
        items = drawn_list(shop, "ann")
        chosen = [one for one in items if "pinned" not in one]
        assert len(items) == len(chosen) + 1
        found = ask(
            shop,
            user_id="ann",
            placement="luce",
            items=[one["id"] for one in chosen],
            k=len(items),
        )
        assert found["policy"] == "plackett_luce"
        assert found["propensities"] == pytest.approx([one["propensity"] for one in chosen])


def test_other_policies_are_asked_of_the_same_list(shop: RunningGateway) -> None:
    best = [one["id"] for one in greedy_list(shop)]
    greedy = ask(shop, user_id="bob", items=best)
    assert (greedy["policy"], greedy["propensities"]) == ("greedy", [1, 1, 1, 1])
    swapped = ask(shop, user_id="bob", items=best[::-1], placement="plain")
    assert swapped["propensities"] == [0, 0, 0, 1]
    epsilon = {"name": "epsilon", "epsilon": 0.2}
    found = ask(shop, user_id="bob", items=best, placement="luce", policy=epsilon)
    assert found["policy"] == "epsilon"
    assert "seed" not in shop.model.asked[-1]["policy"]  # type: ignore[operator]
    assert ask(shop, items=["no-such-item"])["propensities"] == [0]


def greedy_list(shop: RunningGateway) -> list[dict[str, object]]:
    answer = shop.client.post("/v1/recommendations", json={"user_id": "bob", "k": 4})
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def test_events_after_the_time_of_the_list_are_not_read(shop: RunningGateway) -> None:
    event = {"user_id": "ann", "item_id": "i3", "type": "purchase"}
    shop.client.post("/v1/events", json=[event])
    before = datetime.now(UTC) - timedelta(hours=1)
    then = ask(shop, user_id="ann", placement="luce", items=["i3"], at=before.isoformat())
    assert shop.model.asked[-1]["user_seq"] == []
    now = ask(shop, user_id="ann", placement="luce", items=["i3"])
    assert then["propensities"] != [0]
    assert now["propensities"] == [0]


def test_alternatives_leave_out_what_is_pinned(shop: RunningGateway) -> None:
    shop.client.post("/v1/items", json=[{"item_id": "i7", "title": "Seven"}])
    asked = {"user_id": "ann", "placement": "luce", "items": ["i1", "i7", "i2"]}
    alternatives = ask(shop, **asked, alternatives=2)["alternatives"]
    assert isinstance(alternatives, list)
    assert alternatives[1] is None
    for place in (0, 2):
        assert len(alternatives[place]) == 2
        assert all(one.keys() == {"id", "score", "propensity"} for one in alternatives[place])
        assert "i7" not in {one["id"] for one in alternatives[place]}
    assert ask(shop, **asked)["alternatives"] is None
    refused = shop.client.post(PATH, json={**asked, "alternatives": 101})
    assert refusal_of(refused)["field"] == "alternatives"


def test_a_pinned_item_has_none(shop: RunningGateway) -> None:
    shop.client.post("/v1/items", json=[{"item_id": "i7", "title": "Seven"}])
    found = ask(shop, user_id="ann", placement="luce", items=["i1", "i7", "i2"])
    propensities = found["propensities"]
    assert isinstance(propensities, list)
    assert [one is None for one in propensities] == [False, True, False]
    assert shop.model.asked[-1]["propensities_of"] == ["i1", "i2"]


def test_many_lists_are_asked_in_one_call(shop: RunningGateway) -> None:
    lines = [{"items": ["i1"], "policy": LUCE}, {"items": []}, {"items": ["i2"], "policy": LUCE}]
    content = "\n".join(map(json.dumps, lines))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = shop.client.post(PATH, content=content, headers=headers)
    first, refused, last = map(json.loads, answer.text.splitlines())
    assert refused["error"]["field"] == "items"
    assert len(first["propensities"]) == len(last["propensities"]) == 1
    shop.model.stop()
    answer = shop.client.post(PATH, content=content, headers=headers)
    fields = [json.loads(line)["error"]["field"] for line in answer.text.splitlines()]
    assert fields == ["server", "items", "server"]
    assert shop.client.post(PATH, json=lines[0]).status_code == 503


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": ["a", "b"], "k": 1}, "k"),
        ({"items": ["a"], "policy": {"name": "best"}}, "policy.name"),
        ({"items": ["a"], "placement": "nowhere"}, "placement"),
        ({"items": ["a"], "history": []}, "history"),
    ],
)
def test_what_is_wrong_is_named(shop: RunningGateway, body: object, field: str) -> None:
    answer = shop.client.post(PATH, json=body)
    assert (answer.status_code, refusal_of(answer)["field"]) == (400, field)


def test_an_older_release_is_named_as_the_reason(shop: RunningGateway) -> None:
    assert isinstance(shop.model, PolicyModel)
    shop.model.unknown = ("propensities_of",)
    found = refusal_of(shop.client.post(PATH, json={"items": ["i1"], "policy": LUCE}))
    assert found["field"] == "server"
    assert "next training" in found["reason"]


def test_nothing_is_recorded_as_served(shop: RunningGateway) -> None:
    ask(shop, user_id="ann", items=["i1"], policy=LUCE)
    recorder = shop.client.get("/v1/status").json()["recorder"]
    assert (recorder["waiting"], recorder["stored"]) == (0, 0)
