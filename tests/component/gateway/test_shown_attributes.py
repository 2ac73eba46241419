"""`attributes`: what a list shows with each item, in every call that lists items."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx
import pytest

from tests.component.gateway.test_keys import VISITOR, open_door
from tests.component.gateway_process import RunningGateway, StandIn

NAMES = ["genre", "price"]
LISTS = ("/v1/popular", "/v1/new", "/v1/search?q=film", "/v1/items/9/similar")


def add_items(client: httpx.Client) -> None:
    """Store the stand-in's item, which is popular too, with attributes."""
    attributes = {"genre": ["War", "Drama"], "price": 9.0, "cost_of_goods_sold": 3.5}
    item = {"item_id": "7", "title": "Film 7", "attributes": attributes}
    assert client.post("/v1/items", json=item).status_code == 202


def by_id(answer: httpx.Response) -> Mapping[str, object]:
    assert answer.status_code == 200, answer.text
    return {item["id"]: item.get("attributes") for item in answer.json()["items"]}


def find(model: StandIn) -> None:
    """Let the stand-in answer searches too."""
    model.body = {
        "items": [{"id": "7", "title": "Film 7", "score": 1.5, "match": "title"}],
        "model_version": 3,
    }


def test_a_list_shows_the_attributes_that_are_asked_for(running: RunningGateway) -> None:
    add_items(running.client)
    question = {"history": [], "attributes": ["price", "color", "genre", "price"]}
    answer = running.client.post("/v1/recommendations", json=question)
    assert by_id(answer) == {"7": {"price": 9, "genre": ["War", "Drama"]}}
    plain = running.client.post("/v1/recommendations", json={"history": []})
    assert "attributes" not in plain.json()["items"][0]
    lines = json.dumps(question) + "\n" + json.dumps({**question, "attributes": "price"})
    headers = {"Content-Type": "application/x-ndjson"}
    answer = running.client.post("/v1/recommendations", content=lines, headers=headers)
    first, second = (json.loads(line) for line in answer.text.splitlines())
    assert first["items"][0]["attributes"] == {"price": 9, "genre": ["War", "Drama"]}
    assert second["error"]["field"] == "attributes"


def test_fallbacks_and_pins_show_attributes_too(running: RunningGateway) -> None:
    add_items(running.client)
    pins = {"pins": [{"item_id": "7", "position": 1}]}
    assert running.client.put("/v1/placements/home", json=pins).status_code == 200
    running.model.status = 500
    question = {"history": [], "attributes": NAMES, "placement": "home", "k": 2}
    answer = running.client.post("/v1/recommendations", json=question)
    assert by_id(answer) == {"7": {"genre": ["War", "Drama"], "price": 9}, "1": {}}
    assert answer.json()["items"][0]["pinned"] is True


@pytest.mark.parametrize("path", LISTS)
def test_every_list_shows_attributes(running: RunningGateway, path: str) -> None:
    add_items(running.client)
    find(running.model)
    url = httpx.URL(path)
    params = url.params.merge({"attributes": NAMES, "k": "10"})
    answer = running.client.get(url.copy_with(params=params))
    assert by_id(answer)["7"] == {"genre": ["War", "Drama"], "price": 9}
    assert by_id(running.client.get(path))["7"] is None


def test_a_user_s_list_shows_attributes(running: RunningGateway) -> None:
    add_items(running.client)
    answer = running.client.get("/v1/recommendations/ann?attributes=price&attributes=genre&k=5")
    assert by_id(answer) == {"7": {"price": 9, "genre": ["War", "Drama"]}}
    plain = running.client.get("/v1/recommendations/ann?k=5")
    assert by_id(plain) == {"7": None}


def test_reasons_name_no_private_attribute(running: RunningGateway) -> None:
    shared = {"genre": ["War"], "cost_of_goods_sold": [3.5]}
    reason = {"nearest": [], "shared": shared, "popular": True, "new": False}
    item = {"id": "7", "title": "Film 7", "score": 1.5, "reason": reason}
    running.model.body = {"items": [item], "model_version": 3}
    question = {"history": ["7"], "explain": True}
    answer = running.client.post("/v1/recommendations", json=question).json()
    assert answer["items"][0]["reason"] == {**reason, "shared": {"genre": ["War"]}}


@pytest.mark.parametrize("names", [["x"] * 21, [""], ["price", " "]])
def test_wrong_names_are_refused(shared_gateway: RunningGateway, names: list[str]) -> None:
    client = shared_gateway.client
    posted = client.post("/v1/recommendations", json={"history": [], "attributes": names})
    got = client.get("/v1/popular", params={"attributes": names})
    for answer in (posted, got):
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, "attributes")


def test_a_browser_key_reads_no_private_attribute(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_door(tmp_path_factory.mktemp("door")) as door:
        browser, reader = door.add("web", "browser"), door.add("shop", "read", "write")
        assert door.client.get("/v1/new?attributes=genre", headers=browser).status_code == 200
        private = ["genre", "cost_of_goods_sold"]
        question = {"user_id": VISITOR, "attributes": private}
        for headers, status in ((browser, 400), (reader, 200)):
            got = door.client.get("/v1/new", params={"attributes": private}, headers=headers)
            posted = door.client.post("/v1/recommendations", json=question, headers=headers)
            assert (got.status_code, posted.status_code) == (status, status)


def filtered_lists(
    client: httpx.Client, headers: Mapping[str, str], name: str
) -> list[tuple[int, str | None]]:
    """Return the status and the refused field of lists that are filtered by an attribute."""
    question = {"user_id": VISITOR, "filter": {name: "1"}}
    answers = [client.post("/v1/recommendations", json=question, headers=headers)]
    for path in ("/v1/new", f"/v1/recommendations/{VISITOR}"):
        answers.append(client.get(path, params={"filter": f"{name}:1"}, headers=headers))
    return [(one.status_code, one.json().get("error", {}).get("field")) for one in answers]


def test_a_browser_key_filters_by_no_private_attribute(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with open_door(tmp_path_factory.mktemp("door")) as door:
        browser, reader = door.add("web", "browser"), door.add("shop", "read", "write")
        private = "cost_of_goods_sold"
        assert filtered_lists(door.client, browser, "genre") == [(200, None)] * 3
        assert filtered_lists(door.client, browser, private) == [(400, "filter")] * 3
        assert filtered_lists(door.client, reader, private) == [(200, None)] * 3
