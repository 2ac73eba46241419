"""`POST /v1/recommendations`: sessions, candidates, pages, times, and the fallback."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import UUID

import pytest

from tests.component.gateway_process import RunningGateway, gateway, settings_in

WEIRD = "a/b%2F..é 🎬.json"
PATH = "/v1/recommendations"
OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
OLD_S = 1_767_225_600.0


def ask(running: RunningGateway, **body: object) -> dict[str, object]:
    answer = running.client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def view(user_id: str, item_id: str, at: str) -> dict[str, object]:
    return {"user_id": user_id, "item_id": item_id, "type": "view", "at": at}


def test_a_session_follows_the_stored_history(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=view(WEIRD, "5", OLD))
    session = ["6", {"id": WEIRD, "rating": 4, "at": 1_700_000_000}, {"text": "a heist"}]
    answer = ask(running, user_id=WEIRD, history=session, exclude=["9"])
    assert answer["user_id"] == WEIRD
    asked = running.model.asked[-1]
    assert asked["user_seq"] == [
        {"id": "5", "type": "view", "at": OLD_S},
        "6",
        {"id": WEIRD, "type": "rating", "rating": 4.0, "at": 1_700_000_000.0},
        {"text": "a heist", "type": "view"},
    ]
    assert asked["exclude"] == ["9"]
    assert asked["exclude_seen"] is True


def test_a_visitor_without_an_id_has_only_a_session(shared_gateway: RunningGateway) -> None:
    answer = ask(shared_gateway, history=["6"], k=1)
    assert UUID(str(answer.pop("recommendation_id"))).version == 7
    assert answer == {
        "user_id": None,
        "model_version": 3,
        "policy": "greedy",
        "items": [{"rank": 1, "id": "7", "title": "Film 7", "score": 1.5}],
    }
    asked = shared_gateway.model.asked[-1]
    assert asked == {"user_seq": ["6"], "k": 1, "exclude_seen": True, "exclude": []}


def test_new_fields_are_sent_only_when_asked_for(shared_gateway: RunningGateway) -> None:
    """An older release refuses fields that it does not know."""
    ask(shared_gateway, user_id="nobody knows", explain=False)
    assert {*shared_gateway.model.asked[-1]} == {"user_seq", "k", "exclude_seen", "exclude"}
    ask(
        shared_gateway,
        history=[],
        candidates=["1", WEIRD],
        context={"item_id": WEIRD},
        at=OLD,
        explain=True,
    )
    asked = shared_gateway.model.asked[-1]
    assert asked["candidates"] == ["1", WEIRD]
    assert asked["context"] == {"id": WEIRD, "at": OLD_S}
    assert asked["explain"] is True


def test_a_page_is_viewed_now_unless_a_time_is_given(shared_gateway: RunningGateway) -> None:
    before_s = time.time()
    ask(shared_gateway, history=[], context={"item_id": 50})
    context = shared_gateway.model.asked[-1]["context"]
    assert isinstance(context, dict)
    assert context["id"] == "50"
    assert before_s <= context["at"] <= time.time()


def test_events_after_the_question_are_not_read(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=[view("ann", "5", OLD), view("ann", "6", NEW)])
    ask(running, user_id="ann", at="2026-01-15")
    asked = running.model.asked[-1]
    assert (asked["user_seq"], asked["exclude"]) == (
        {"id": ["5"], "type": ["view"], "at": [OLD_S]},
        [],
    )


def test_reasons_and_unknown_ids_are_passed_on(running: RunningGateway) -> None:
    reason = {
        "nearest": [{"id": "5", "title": None, "share": 0.6}],
        "shared": {"genre": ["War"], "year": [1995]},
        "popular": False,
        "new": True,
    }
    item = {"id": "7", "title": "Film 7", "score": 1.5, "rating": 4.0}
    running.model.body = {
        "items": [{**item, "reason": reason}],
        "model_version": 3,
        "unknown": [WEIRD],
        "resolved": [],
    }
    answer = ask(running, history=["5"], candidates=["7", WEIRD], explain=True)
    assert answer["items"] == [{"rank": 1, **item, "reason": reason}]
    assert answer["unknown"] == [WEIRD]


def test_a_refused_element_is_named_in_the_clients_list(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=view("ann", "5", OLD))
    says = "user_seq[2]: found more than 24,000 characters"
    running.model.status = 400
    running.model.body = {"error": {"field": "user_seq[2]", "reason": says}, "model_version": 3}
    answer = running.client.post(PATH, json={"user_id": "ann", "history": ["6", "a text"]})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "field": "history[1]",
        "reason": says.replace("user_seq[2]", "history[1]"),
    }


def test_hidden_candidates_are_replaced(running: RunningGateway) -> None:
    items = [{"id": str(number), "title": None, "score": -number} for number in range(5)]
    running.model.body = {"items": items, "model_version": 3}
    running.client.post("/v1/items", json={"item_id": "0", "title": "Film 0", "hidden": True})
    found = ask(running, history=[], k=2, candidates=["0", "1", "2"])["items"]
    assert found == [
        {"rank": 1, "id": "1", "title": None, "score": -1},
        {"rank": 2, "id": "2", "title": None, "score": -2},
    ]
    assert running.model.asked[-1]["candidates"] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user_id"),
        ({"user_id": "ann", "k": 0}, "k"),
        ({"history": [{"id": "5", "ratng": 1}]}, "history[0].ratng"),
        ([], "body"),
    ],
)
def test_a_refusal_names_its_field(
    shared_gateway: RunningGateway, body: object, field: str
) -> None:
    answer = shared_gateway.client.post(PATH, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field


def test_lists_of_ten_thousand_reach_the_model(shared_gateway: RunningGateway) -> None:
    ids = [f"{WEIRD}-{number}" for number in range(10_000)]
    ask(shared_gateway, user_id="ann", history=ids, exclude=ids, candidates=ids)
    asked = shared_gateway.model.asked[-1]
    assert (asked["user_seq"], asked["candidates"]) == (ids, ids)
    answer = shared_gateway.client.post(PATH, content=b" " * (4 * 2**20 + 1))
    assert answer.status_code == 413


def test_the_fallback_keeps_the_options_it_can(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=view("ann", "1", OLD))
    running.model.stop()
    answer = ask(
        running,
        user_id="ann",
        history=["2", {"text": "3"}],
        k=2,
        exclude=["4"],
        candidates=["1", "2", "3", "4", "5", "6", "7", WEIRD],
        context={"item_id": "5"},
        explain=True,
    )
    assert (answer["fallback"], answer["policy"], answer["model_version"]) == (True, "popular", 3)
    reason = {"nearest": [], "shared": {}, "popular": True, "new": False}
    assert answer["items"] == [
        {"rank": 1, "id": "3", "title": "Film 3", "reason": reason},
        {"rank": 2, "id": "6", "title": "Film 6", "reason": reason},
    ]
    assert ask(running, history=[], filter={"genre": "Comedy"})["items"] == []


def test_before_the_first_release_the_list_is_empty(tmp_path: Path) -> None:
    with gateway(settings_in(tmp_path, inference_port=9)) as client:
        answer = client.post(PATH, json={"user_id": WEIRD, "explain": True}).json()
    assert (answer["items"], answer["model_version"], answer["fallback"]) == ([], None, True)
    assert UUID(answer["recommendation_id"]).version == 7
