"""Facts over HTTP: stored once, shown with their items, withdrawn, refused by field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cron.journal.dead_letters import DeadLetters
from gateway.content.record_bodies import NDJSON
from recommender.records.facts import Fact
from tests.component.gateway_process import RunningGateway

FACT = {"head": "river", "relation": "director", "tail": "m.1"}
RIVER = {"item_id": "river", "title": "The River"}


def test_facts_are_shown_with_their_item_at_once(running: RunningGateway) -> None:
    client = running.client
    assert client.post("/v1/items", json=[RIVER, {"item_id": "sea", "title": "The Sea"}]).is_success
    facts = [
        FACT,
        {"head": "m.1", "relation": "name", "tail": "Ann Lee"},
        {"head": "river", "relation": "followed by", "tail": "sea"},
        {"head": "river", "relation": "actor", "tail": "m.2"},
    ]
    answer = client.post("/v1/facts", json=facts)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 4)
    assert len(answer.json()["event_ids"]) == 4
    assert client.get("/v1/items/river").json()["facts"] == [
        {"relation": "actor", "tail": "m.2"},
        {"relation": "director", "tail": "m.1", "name": "Ann Lee"},
        {"relation": "followed by", "tail": "sea", "name": "The Sea"},
    ]
    assert "facts" not in client.get("/v1/items/sea").json()
    assert [one.tail for one in running.log_records() if isinstance(one, Fact)] == [
        "m.1",
        "Ann Lee",
        "sea",
        "m.2",
    ]


def test_a_hidden_item_is_not_named_in_a_fact(running: RunningGateway) -> None:
    hidden = {"item_id": "sea", "title": "The Sea", "hidden": True}
    running.client.post("/v1/items", json=[RIVER, hidden])
    running.client.post("/v1/facts", json={**FACT, "tail": "sea"})
    shown = running.client.get("/v1/items/river").json()["facts"]
    assert shown == [{"relation": "director", "tail": "sea"}]


def test_the_same_fact_twice_is_one_fact(running: RunningGateway) -> None:
    running.client.post("/v1/items", json=RIVER)
    line = json.dumps({**FACT, "event_id": "f1"})
    for accepted, duplicates in ((1, 1), (0, 2)):
        answer = running.client.post(
            "/v1/facts", content=f"{line}\n{line}\n", headers={"Content-Type": NDJSON}
        ).json()
        assert (answer["accepted"], answer["duplicates"]) == (accepted, duplicates)
    running.client.post("/v1/facts", json=FACT)
    assert len(running.client.get("/v1/items/river").json()["facts"]) == 1


def test_a_fact_is_withdrawn_until_it_is_stated_again(running: RunningGateway) -> None:
    client = running.client
    client.post("/v1/items", json=RIVER)
    client.post("/v1/facts", json={**FACT, "at": "2026-01-01"})
    withdrawn = client.delete("/v1/facts", params=FACT)
    assert withdrawn.json() == {**FACT, "withdrawn": True, "at": withdrawn.json()["at"]}
    assert "facts" not in client.get("/v1/items/river").json()
    late = client.post("/v1/facts", json={**FACT, "at": "2026-02-01"})
    assert late.json()["accepted"] == 1
    assert "facts" not in client.get("/v1/items/river").json()
    again = client.delete("/v1/facts", params=FACT)
    assert (again.status_code, again.json()["error"]["field"]) == (404, "tail")
    client.post("/v1/facts", json=FACT)
    assert len(client.get("/v1/items/river").json()["facts"]) == 1
    client.post("/v1/facts", json={**FACT, "withdrawn": True})
    assert "facts" not in client.get("/v1/items/river").json()


def test_lists_without_the_model_filter_by_facts(running: RunningGateway) -> None:
    client = running.client
    films: list[dict[str, object]] = []
    for number in "12345":
        films.append({"item_id": number, "title": f"Film {number}"})
    films[1] = films[1] | {"attributes": {"director": "Bob", "year": 1999}}
    client.post("/v1/items", json=films)
    facts = [
        {"head": "4", "relation": "director", "tail": "m.1"},
        {"head": "2", "relation": "director", "tail": "m.1"},
        {"head": "m.1", "relation": "name", "tail": "Ann Lee"},
    ]
    client.post("/v1/facts", json=facts)

    def ids(path: str, *filters: str) -> list[str]:
        answer = client.get(path, params={"filter": list(filters)}).json()
        return sorted(one.get("item_id") or one["id"] for one in answer["items"])

    running.model.stop()
    for path in ("/v1/items", "/v1/new", "/v1/recommendations/ann"):
        assert ids(path, "director:m.1") == ids(path, "director:Ann Lee") == ["2", "4"]
        assert ids(path, "director:Bob") == ids(path, "director:m.1", "year:1999") == ["2"]
        assert ids(path, "director:nobody") == []


def test_a_reason_has_no_fact_of_an_item_that_was_hidden(running: RunningGateway) -> None:
    """The model names items that were hidden after it was trained."""

    def path(item_id: str, via: str) -> dict[str, object]:
        named, between = {"id": item_id, "title": None}, {"id": via, "name": None}
        return {"item": named, "relation": "r", "via": between, "item_relation": "r"}

    facts = [path("sea", "m.1"), path("river", "sea"), path("river", "m.2")]
    reason = {"nearest": [], "shared": {}, "popular": False, "new": False, "facts": facts}
    item = {"id": "7", "title": "Seven", "score": 1.0, "reason": reason}
    running.model.body = {"items": [item], "resolved": [], "model_version": 3}
    asked = {"user_id": "ann", "k": 1, "explain": True}
    shown = running.client.post("/v1/recommendations", json=asked).json()["items"]
    assert shown[0]["reason"]["facts"] == facts
    running.client.post("/v1/items", json={"item_id": "sea", "title": "Sea", "hidden": True})
    shown = running.client.post("/v1/recommendations", json=asked).json()["items"]
    assert shown[0]["reason"]["facts"] == [facts[2]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("head", ""), ("relation", None), ("tail", ["a"]), ("withdrawn", "no"), ("colour", "red")],
)
def test_a_wrong_fact_is_refused_by_field(
    running: RunningGateway, field: str, value: object
) -> None:
    answer = running.client.post("/v1/facts", json={**FACT, field: value})
    (rejected,) = answer.json()["rejected"]
    assert (answer.status_code, rejected["field"]) == (400, field)
    (letter,) = DeadLetters(Path(running.settings.store.var) / "dead-letters.jsonl").newest(9)
    assert (letter.reason, letter.source) == (rejected["reason"], "gateway fact")
