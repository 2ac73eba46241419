"""Lists of placements through the gateway: what the model is asked, pins, ages, fallbacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy

import pytest

from cron.placement import parse_placement
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in

PATH = "/v1/recommendations"
PLACEMENTS: dict[str, object] = {
    "home": {
        "k": 4,
        "filter": {"genre": ["Comedy"]},
        "exclude": {"purchase": "30d", "hide": "forever"},
        "boosts": [{"attribute": "brand", "value": "Acme", "add": -2}],
        "freshness": {"add": 1, "half_life": "1d", "attribute": "year"},
        "min_rating": 3,
        "diversity": 0.25,
        "at_most": {"brand": 2},
    },
    "short": {"k": 2},
    "pinned": {
        "k": 3,
        "pins": [
            {"item_id": "p/1 é", "position": 2},
            {"item_id": "p2", "position": 1, "until": "2026-01-01"},
            {"item_id": "p3", "position": 1, "from": "2026-01-01"},
            {"item_id": "p4", "position": 9},
        ],
    },
    "fresh": {"freshness": {"add": 2, "half_life": "1d"}},
    "ages": {"exclude": {"purchase": "30d", "view": "1d"}},
}
ITEMS = [{"id": str(number), "title": f"Film {number}", "score": 9 - number} for number in range(6)]
NOW = datetime.now(UTC)


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway with placements, and a model with six items."""
    model = StandIn()
    model.body = {"items": ITEMS, "model_version": 3}
    copy(story_ledger, tmp_path / "ledger.db")
    settings = replace(
        settings_in(tmp_path, inference_port=model.port),
        placements={name: parse_placement(one) for name, one in PLACEMENTS.items()},
    )
    with gateway(settings) as client:
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()


def ask(running: RunningGateway, **body: object) -> dict[str, object]:
    answer = running.client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def ids(answer: dict[str, object]) -> list[str]:
    items = answer["items"]
    assert isinstance(items, list)
    assert [item["rank"] for item in items] == list(range(1, len(items) + 1))
    return [item["id"] for item in items]


def send(running: RunningGateway, path: str, *records: dict[str, object]) -> None:
    assert running.client.post(path, json=list(records)).status_code == 202


def event(item_id: str, type_: str, *, days: float) -> dict[str, object]:
    at = NOW - timedelta(days=days)
    return {"user_id": "ann", "item_id": item_id, "type": type_, "at": at.isoformat()}


def item(item_id: str, **more: object) -> dict[str, object]:
    return {"item_id": item_id, "title": f"Title of {item_id}", **more}


def test_the_model_is_asked_with_the_rules(shop: RunningGateway) -> None:
    answer = ask(shop, history=["5"], placement="home", at="2026-02-01T00:00:00Z")
    asked = shop.model.asked[-1]
    assert (asked["k"], asked["filter"], asked["exclude_seen"]) == (4, {"genre": ["Comedy"]}, False)
    assert asked["rules"] == {
        "boosts": [{"attribute": "brand", "value": "Acme", "add": -2.0}],
        "freshness": {
            "attribute": "year",
            "add": 1.0,
            "half_life_s": 86_400,
            "at": datetime(2026, 2, 1, tzinfo=UTC).timestamp(),
        },
        "min_rating": 3.0,
        "diversity": 0.25,
        "at_most": {"brand": 2},
    }
    assert answer["placement"] == "home"
    assert "not_applied" not in answer


def test_a_placement_without_rules_asks_as_before(shop: RunningGateway) -> None:
    """An older release knows no rules, and does not need to."""
    assert ids(ask(shop, history=[], placement="short")) == ["0", "1"]
    assert {*shop.model.asked[-1]} == {"user_seq", "k", "exclude_seen", "exclude"}
    assert shop.model.asked[-1]["exclude_seen"] is True
    assert "placement" not in ask(shop, history=[])


def test_what_the_client_sends_overrides_the_placement(shop: RunningGateway) -> None:
    """Its k and exclude_seen replace the placement's; filters and exclusions are added."""
    ask(
        shop,
        history=[],
        placement="home",
        k=5,
        exclude_seen=True,
        exclude=["9"],
        filter={"genre": "Drama", "year": 1995},
    )
    asked = shop.model.asked[-1]
    assert (asked["k"], asked["exclude_seen"], asked["exclude"]) == (5, True, ["9"])
    assert asked["filter"] == {"genre": "Drama", "year": 1995}
    rules = asked["rules"]
    assert isinstance(rules, dict)
    assert rules["filter"] == {"genre": ["Comedy"]}


def test_a_get_names_a_placement_too(shop: RunningGateway) -> None:
    found = shop.client.get(f"{PATH}/ann", params={"placement": "short"}).json()
    assert (found["placement"], ids(found)) == ("short", ["0", "1"])
    found = shop.client.get(f"{PATH}/ann", params={"placement": "short", "k": 3}).json()
    assert ids(found) == ["0", "1", "2"]


@pytest.mark.parametrize("name", ["nowhere", "a/b é", "", "x" * 65])
def test_an_unknown_placement_is_refused(shop: RunningGateway, name: str) -> None:
    asked = shop.client.post(PATH, json={"history": [], "placement": name})
    assert (asked.status_code, asked.json()["error"]["field"]) == (400, "placement")
    got = shop.client.get(f"{PATH}/ann", params={"placement": name})
    assert (got.status_code, got.json()["error"]["field"]) == (400, "placement")


def test_bought_items_come_back_after_their_age(shop: RunningGateway) -> None:
    send(
        shop,
        "/v1/events",
        event("1", "purchase", days=29),
        event("2", "purchase", days=31),
        event("3", "view", days=0.5),
        event("4", "view", days=2),
        event("5", "click", days=0.1),
    )
    ask(shop, user_id="ann", placement="ages")
    asked = shop.model.asked[-1]
    assert (asked["exclude"], asked["exclude_seen"]) == (["1", "3"], False)
    ask(shop, user_id="ann", placement="ages", at=(NOW + timedelta(days=1)).isoformat())
    assert shop.model.asked[-1]["exclude"] == ["1"]


def test_new_items_are_boosted_by_their_first_record(shop: RunningGateway) -> None:
    """The first record of an item counts, not the newest, and only for some half-lives."""
    times = [NOW - timedelta(days=days) for days in (1, 2, 30)]
    for name, at in zip(("n1", "n2", "old"), times, strict=True):
        send(shop, "/v1/items", item(name, at=at.isoformat()))
    send(shop, "/v1/items", item("n2", text="again", at=NOW.isoformat()))
    ask(shop, history=[], placement="fresh", at=NOW.isoformat())
    rules = shop.model.asked[-1]["rules"]
    assert isinstance(rules, dict)
    assert rules["bonuses"] == pytest.approx({"n1": 1.0, "n2": 0.5}, rel=1e-3)


def test_the_sessions_events_count_for_ages(shop: RunningGateway) -> None:
    old = (NOW - timedelta(days=3)).timestamp()
    session = ["6", {"id": "7", "type": "view", "at": old}, {"id": "8", "type": "purchase"}]
    ask(shop, history=session, placement="ages")
    assert shop.model.asked[-1]["exclude"] == ["6", "8"]


def test_pinned_items_have_their_places(shop: RunningGateway) -> None:
    """The pin that has ended is not shown, nor the one beyond the end of the list."""
    send(shop, "/v1/items", item("p/1 é"), item("p2"), item("p3"), item("p4"))
    found = ask(shop, history=[], placement="pinned", at="2026-01-01")
    assert found["items"] == [
        {"rank": 1, "id": "p3", "title": "Title of p3", "pinned": True},
        {"rank": 2, "id": "p/1 é", "title": "Title of p/1 é", "pinned": True},
        {"rank": 3, "id": "0", "title": "Film 0", "score": 9},
    ]
    assert shop.model.asked[-1]["rules"] == {"pinned": ["p/1 é", "p3"]}
    before = ask(shop, history=[], placement="pinned", at="2025-12-31")
    assert ids(before) == ["p2", "p/1 é", "0"]


@pytest.mark.parametrize(
    "more",
    [
        {"exclude": ["p3"]},
        {"history": ["p3"]},
        {"context": {"item_id": "p3"}},
        {"candidates": ["p/1 é", "0"]},
        {"filter": {"genre": "Comedy"}},
    ],
)
def test_exclusions_and_filters_override_pins(
    shop: RunningGateway, more: dict[str, object]
) -> None:
    send(shop, "/v1/items", item("p/1 é", attributes={"genre": ["Comedy"]}), item("p3"))
    found = ask(shop, **{"history": [], "placement": "pinned", "at": "2026-01-01", **more})
    assert ids(found) == ["0", "p/1 é", "1"]


def test_hidden_items_are_not_pinned(shop: RunningGateway) -> None:
    send(shop, "/v1/items", item("p/1 é"), item("p3", hidden=True))
    assert ids(ask(shop, history=[], placement="pinned")) == ["0", "p/1 é", "1"]
    assert shop.client.delete("/v1/items/p%2F1%20%C3%A9").status_code in (200, 202, 204)
    assert ids(ask(shop, history=[], placement="pinned")) == ["0", "1", "2"]


def test_pins_move_the_items_below_them(shop: RunningGateway) -> None:
    send(shop, "/v1/items", item("p/1 é"))
    moved = [{"rule": "boosts[0]", "before": 3, "after": 2}]
    shop.model.body = {
        "items": [{**ITEMS[0], "moved": []}, {**ITEMS[1], "moved": moved}],
        "model_version": 3,
        "not_applied": ["min_rating"],
    }
    found = ask(shop, history=[], placement="pinned", at="2026-01-01", explain=True)
    items = found["items"]
    assert isinstance(items, list)
    assert [one.get("moved") for one in items] == [
        [],
        None,
        [*moved, {"rule": "pins", "before": 2, "after": 3}],
    ]
    assert found["not_applied"] == ["min_rating"]


def test_a_release_older_than_rules_is_asked_without(shop: RunningGateway) -> None:
    says = "rules: found an unknown field, expected only k, user_seq"

    def answer(_path: str, asked: dict[str, object]) -> tuple[int, object]:
        if "rules" in asked:
            error = {"field": "rules", "reason": says}
            return 400, {"error": error, "model_version": 3}
        return 200, {"items": ITEMS[:2], "model_version": 3}

    shop.model.answer = answer  # type: ignore[method-assign, assignment]
    found = ask(shop, history=[], placement="home")
    assert ids(found) == ["0", "1"]
    rules = ["boosts[0]", "freshness", "min_rating", "diversity", "at_most"]
    assert found["not_applied"] == rules
    wanted = {"genre": ["Comedy", "Drama"], "year": 1995}
    found = ask(shop, history=[], placement="home", filter=wanted)
    assert found["not_applied"] == ["filter", *rules]
    asked = shop.model.asked[-1]
    assert asked["filter"] == {"genre": ["Comedy"], "year": 1995}, "the visitor's is not wider"


def test_the_fallback_names_what_it_cannot_apply(shop: RunningGateway) -> None:
    """What reads the items' records applies without the model."""
    send(shop, "/v1/items", item("p/1 é"), item("p3"))
    shop.model.status = 500
    pinned = ask(shop, history=[], placement="pinned", at="2026-01-01")
    assert (pinned["fallback"], pinned["placement"]) == (True, "pinned")
    assert ids(pinned)[:2] == ["p3", "p/1 é"]
    assert len(ids(pinned)) <= 3
    home = ask(shop, history=[], placement="home")
    assert (home["items"], home["not_applied"]) == ([], ["min_rating", "diversity"])


def test_the_fallback_follows_filters_and_rules(shop: RunningGateway) -> None:
    """Film 1 is most popular: buried here; of films 2 to 4, two may be of one brand."""
    send(
        shop,
        "/v1/items",
        item("1", attributes={"genre": "Comedy", "brand": "Acme"}),
        *(item(one, attributes={"genre": ["Comedy"], "brand": "Bolt"}) for one in ("2", "3", "4")),
        item("5", attributes={"genre": "Drama"}),
        item("6", attributes={"genre": ["Drama", "Comedy"]}),
    )
    shop.model.status = 500
    assert ids(ask(shop, history=[], placement="home")) == ["2", "3", "1", "6"]
    both = ask(shop, history=[], placement="home", filter={"genre": "Drama"})
    assert (ids(both), both["not_applied"]) == (["6"], ["min_rating", "diversity"])
    assert ids(ask(shop, history=[], filter={"genre": "Drama"})) == ["5", "6"]


def moves(answer: dict[str, object]) -> dict[str, object]:
    """Return by item what moved it."""
    items = answer["items"]
    assert isinstance(items, list)
    return {item["id"]: item.get("moved") for item in items}


def test_the_fallback_says_which_rule_moved_an_item(shop: RunningGateway) -> None:
    send(
        shop,
        "/v1/items",
        item("1", attributes={"genre": "Comedy", "brand": "Acme"}),
        *(item(one, attributes={"genre": "Comedy"}) for one in ("2", "3")),
        item("p/1 é"),
        item("p3"),
    )
    shop.model.status = 500
    assert moves(ask(shop, history=[], placement="home", explain=True)) == {
        "2": [{"rule": "boosts[0]", "before": 2, "after": 1}],
        "1": [{"rule": "boosts[0]", "before": 1, "after": 2}],
        "3": [],
    }
    assert set(moves(ask(shop, history=[], placement="home")).values()) == {None}
    pinned = ask(shop, history=[], placement="pinned", at="2026-01-01", explain=True)
    assert [*moves(pinned).values()] == [None, None, [{"rule": "pins", "before": 1, "after": 3}]]


def test_lines_of_a_batch_name_placements(shop: RunningGateway) -> None:
    lines = b'{"history": [], "placement": "short"}\n{"history": [], "placement": "none"}\n'
    answer = shop.client.post(PATH, content=lines, headers={"Content-Type": "application/x-ndjson"})
    first, second = (json.loads(line) for line in answer.text.splitlines())
    assert ids(first) == ["0", "1"]
    assert second["error"]["field"] == "placement"
