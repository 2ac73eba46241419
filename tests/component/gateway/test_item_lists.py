"""Popular, trending and new items over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from cron import wiring
from cron.item_counts import count_events
from cron.ports import START, Cursor
from recommender.records.events import Event
from tests.component.gateway_process import RunningGateway

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def add_films(client: httpx.Client, *items: Mapping[str, object]) -> None:
    films = [{"title": f"Film {one['item_id']}", "at": "2026-01-01", **one} for one in items]
    assert client.post("/v1/items", json=films).json()["accepted"] == len(items)


def follow(running: RunningGateway, counts: dict[tuple[str, timedelta], int]) -> None:
    """Count events of items, by their age, as the worker's follower does."""
    events = [
        Event(event_id=f"{item_id}{age}{number}", user_id="u", item_id=item_id, type="view",
              at=NOW - age)
        for (item_id, age), num in counts.items()
        for number in range(num)
    ]  # fmt: skip
    records = wiring.open_item_records(running.settings.store.histories)
    counted = count_events(events, counts=lambda _: True, now=NOW)
    assert records.follow([], counted, after=START, cursor=Cursor("1"))


def ids(client: httpx.Client, call: str) -> list[str]:
    answer = client.get(call)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_popular_items_of_a_window_are_counted(running: RunningGateway) -> None:
    add_films(
        running.client,
        {"item_id": "a/b"},
        {"item_id": "b", "attributes": {"genre": "War"}},
        {"item_id": "c", "hidden": True},
        {"item_id": "d"},
    )
    now = timedelta(0)
    follow(
        running, {("a/b", now): 2, ("b", now): 1, ("c", now): 9, ("d", 9 * DAY): 5, ("x", now): 8}
    )
    week = running.client.get("/v1/popular?window=7d").json()
    assert week == {
        "items": [
            {"id": "a/b", "title": "Film a/b", "events": 2},
            {"id": "b", "title": "Film b", "events": 1},
        ],
        "model_version": None,
    }
    assert ids(running.client, "/v1/popular?window=28d&k=1") == ["d"]
    assert ids(running.client, "/v1/popular?window=28d&filter=genre:War") == ["b"]
    running.client.delete("/v1/items/b")
    assert ids(running.client, "/v1/popular?window=7d") == ["a/b"]


def test_popular_items_of_all_time_are_the_releases(running: RunningGateway) -> None:
    add_films(
        running.client,
        {"item_id": "2", "hidden": True},
        {"item_id": "4", "attributes": {"genre": "War"}},
    )
    running.model.stop()
    answer = running.client.get("/v1/popular?k=3").json()
    assert answer["model_version"] == 3
    assert [item["id"] for item in answer["items"]] == ["1", "3", "4"]
    assert ids(running.client, "/v1/popular?filter=genre:War") == ["4"]


def test_trending_items_grew_more_than_the_shop(running: RunningGateway) -> None:
    add_films(running.client, *({"item_id": one} for one in ("usual", "grew", "two", "fell")))
    now, before = timedelta(0), 10 * DAY
    follow(
        running,
        {
            ("usual", now): 50, ("usual", before): 150, ("grew", now): 30, ("grew", before): 3,
            ("two", now): 2, ("fell", now): 5, ("fell", before): 60,
        },
    )  # fmt: skip
    (item,) = running.client.get("/v1/trending?window=1d").json()["items"]
    assert (item["id"], item["events"]) == ("grew", 30)
    assert item["expected"] == pytest.approx(87 * 3 / 213, abs=1e-3)
    assert item["score"] > 3


def test_new_items_come_by_their_first_record(running: RunningGateway) -> None:
    days = [{"item_id": f"n{day}", "at": f"2026-01-0{day}"} for day in range(1, 6)]
    add_films(running.client, *days, {"item_id": "h", "at": "2026-01-09", "hidden": True})
    running.client.patch("/v1/items/n2", json={"attributes": {"genre": "War"}})
    assert ids(running.client, "/v1/new?k=3") == ["n5", "n4", "n3"]
    assert ids(running.client, "/v1/new?filter=genre:War") == ["n2"]
    running.client.delete("/v1/items/n5")
    assert ids(running.client, "/v1/new?k=1") == ["n4"]


@pytest.mark.parametrize("call", ["popular?window=1d", "trending", "new"])
def test_an_empty_shop_has_empty_lists(running: RunningGateway, call: str) -> None:
    assert ids(running.client, f"/v1/{call}") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("popular?window=29d", "window"),
        ("trending?window=8d", "window"),
        ("trending?window=7", "window"),
        ("new?window=7d", "window"),
        ("new?k=0", "k"),
        ("popular?filter=x", "filter"),
    ],
)
def test_a_wrong_query_of_a_list_names_its_parameter(
    shared_gateway: RunningGateway, query: str, field: str
) -> None:
    answer = shared_gateway.client.get(f"/v1/{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field


def test_similar_items_leave_hidden_ones_out(running: RunningGateway) -> None:
    add_films(running.client, {"item_id": "8", "hidden": True})
    running.model.body = {
        "items": [{"id": "8", "title": "A", "score": 0.9}, {"id": "7", "title": "B", "score": 0.8}],
        "resolved_items": ["id"],
        "model_version": 3,
    }
    answer = running.client.get("/v1/items/a%2Fb/similar?k=2&by=text&filter=genre:War").json()
    assert answer == {
        "item_id": "a/b",
        "title": None,
        "model_version": 3,
        "items": [{"id": "7", "title": "B", "score": 0.8}],
    }
    question = {"similar_to": {"id": "a/b"}, "k": 2, "by": "text", "filter": {"genre": "War"}}
    assert running.model.asked[0] == question
    running.client.get("/v1/items/5/similar")
    assert {"similar_to": {"id": "5"}, "k": 10} in running.model.asked


def test_similar_items_say_what_they_are_similar_to(running: RunningGateway) -> None:
    """A shop's page that is opened by its address has a name, if the item is not hidden."""
    genre = {"attributes": {"genre": "War", "cost": 3.5}}
    add_films(running.client, {"item_id": "7", **genre}, {"item_id": "8", "hidden": True, **genre})
    path = "/v1/items/{}/similar?attributes=genre"
    shown = running.client.get(path.format("7")).json()
    assert (shown["title"], shown["attributes"]) == ("Film 7", {"genre": "War"})
    hidden = running.client.get(path.format("8")).json()
    assert (hidden["title"], hidden["attributes"]) == (None, {})


def test_an_item_without_a_model_is_compared_by_text(running: RunningGateway) -> None:
    add_films(running.client, {"item_id": "n", "text": "Floods."})
    reason = {"field": "similar_to", "reason": "similar_to: found the unknown id"}
    running.model.status, running.model.body = 400, {"error": reason}
    assert running.client.get("/v1/items/n/similar").status_code == 400
    assert running.model.asked[-1] == {"similar_to": {"text": "Film n. Floods."}, "k": 10}
    assert running.client.get("/v1/items/nobody/similar").status_code == 404
    assert running.client.get("/v1/items/n/similar?by=colour").json()["error"]["field"] == "by"
    running.model.stop()
    assert running.client.get("/v1/items/n/similar").status_code == 503
