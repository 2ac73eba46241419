"""Recommendations and predictions over HTTP: history, filters, hidden items, the fallback."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from tests.component.gateway_process import (
    RunningGateway,
    StandIn,
    gateway,
    settings_in,
)

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


def test_a_recommendation_names_user_version_and_items(shared_gateway: RunningGateway) -> None:
    answer = shared_gateway.client.get("/v1/recommendations/a%2Fb?k=1").json()
    assert UUID(answer.pop("recommendation_id")).version == 7
    assert answer == {
        "user_id": "a/b",
        "model_version": 3,
        "policy": "greedy",
        "items": [{"rank": 1, "id": "7", "title": "Film 7", "score": 1.5}],
    }


def test_each_answer_has_its_own_id(shared_gateway: RunningGateway) -> None:
    ids = [
        shared_gateway.client.get("/v1/recommendations/ann").json()["recommendation_id"]
        for _ in range(3)
    ]
    assert len(set(ids)) == 3


def test_the_quick_way_answers_as_the_other_does(shared_gateway: RunningGateway) -> None:
    """A call with no parameter but `k` is not taken apart by FastAPI."""
    for user in ("ann", "a%2Fb", "%D0%98%20%2525%23"):
        answers = [
            shared_gateway.client.get(f"/v1/recommendations/{user}{query}")
            for query in ("", "?k=10", "?k=10&exclude_seen=true", "?exclude_seen=true")
        ]
        assert {answer.status_code for answer in answers} == {200}
        assert len({_without_id(answer.content) for answer in answers}) == 1
        assert all(
            asked == shared_gateway.model.asked[-1] for asked in shared_gateway.model.asked[-4:]
        )
    assert shared_gateway.client.get(f"/v1/recommendations/{'x' * 513}").status_code == 400
    for query in ("k=1001", "k=0", "kk=3", "exclude_seen=1&k=5&k=6"):
        assert shared_gateway.client.get(f"/v1/recommendations/ann?{query}").status_code == 400
    metrics = shared_gateway.client.get("/metrics").text
    assert 'call="/v1/recommendations/{user_id}",status="200"' in metrics
    assert 'call="/v1/recommendations/{user_id}",status="400"' in metrics


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("filter=genre:Comedy", {"genre": "Comedy"}),
        ("filter=genre:Comedy&filter=genre:Drama", {"genre": ["Comedy", "Drama"]}),
        ("filter=year:1995", {"year": "1995"}),
        ("filter=price:4.50", {"price": ["4.50", "4.5"]}),
        ("filter=year:1995.0&filter=year:1996", {"year": ["1995.0", "1996", "1995"]}),
        ("filter=change:-0.0", {"change": ["-0.0", "0"]}),
        ("filter=zip:01234", {"zip": "01234"}),
        ("filter=code:1234567890123456", {"code": "1234567890123456"}),
        ("filter=title:nan", {"title": "nan"}),
        ('filter={"year": "1995"}', {"year": "1995"}),
    ],
)
def test_filters_reach_the_model(
    shared_gateway: RunningGateway, query: str, sent: dict[str, object]
) -> None:
    shared_gateway.client.get(f"/v1/recommendations/ann?{query}")
    assert shared_gateway.model.asked[-1]["filter"] == sent


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("k=0", "k"),
        ("k=1000000", "k"),
        ("k=ten", "k"),
        ("exclude_seen=maybe", "exclude_seen"),
        ("filter=x", "filter"),
        ("filter={", "filter"),
    ],
)
def test_a_wrong_query_is_refused_by_its_parameter(
    shared_gateway: RunningGateway, query: str, field: str
) -> None:
    answer = shared_gateway.client.get(f"/v1/recommendations/ann?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field
    assert field in answer.json()["error"]["reason"]


def test_a_refusal_of_the_model_stays_a_400(running: RunningGateway) -> None:
    running.model.status, running.model.body = (
        400,
        {"error": {"field": "filter", "reason": "filter: no attribute genra"}},
    )
    answer = running.client.get("/v1/recommendations/ann?filter=genra:Comedy")
    assert (answer.status_code, answer.json()) == (400, running.model.body)


def test_seen_items_are_returned_on_request(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=VIEW)
    running.client.get("/v1/recommendations/ann?exclude_seen=false")
    asked = running.model.asked[-1]
    assert (asked["exclude_seen"], asked["exclude"]) == (False, [])


def test_without_a_model_server_popular_items_are_returned(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=[{**VIEW, "item_id": "1"}, {**VIEW, "item_id": "2"}])
    running.client.post("/v1/items", json={"item_id": "3", "title": "Film 3", "hidden": True})
    running.model.stop()
    answer = running.client.get("/v1/recommendations/ann?k=2")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["fallback"], body["model_version"]) == (True, 3)
    assert (body["policy"], UUID(body["recommendation_id"]).version) == ("popular", 7)
    assert body["items"] == [
        {"rank": 1, "id": "4", "title": "Film 4"},
        {"rank": 2, "id": "5", "title": "Film 5"},
    ]
    assert running.client.get("/v1/recommendations/ann?filter=genre:Comedy").json()["items"] == []
    assert running.client.get("/readyz").status_code == 503
    assert (
        running.client.post("/predict", json={"user_seq": [], "item_desc": "x"}).status_code == 503
    )
    assert running.client.get("/healthz").status_code == 200
    assert "freshet_fallbacks_total 2.0" in running.client.get("/metrics").text


def test_an_error_of_the_model_server_gives_popular_items(running: RunningGateway) -> None:
    for status in (404, 500, 503, 507):
        running.model.status, running.model.body = (
            status,
            {"code": status, "type": "InternalServerException", "message": "Worker died."},
        )
        answer = running.client.get("/v1/recommendations/ann")
        assert answer.status_code == 200
        assert answer.json()["fallback"] is True


def test_predict_answers_a_score_and_its_version(running: RunningGateway) -> None:
    running.model.body = {"items": [], "score": 3.91, "model_version": 3, "resolved": {}}
    answer = running.client.post(
        "/predict", json={"user_seq": ["Toy Story (1995)"], "item_desc": "GoldenEye (1995)"}
    )
    assert answer.json() == {"score": 3.91}
    assert answer.headers["x-model-version"] == "3"
    assert running.client.get("/readyz").json() == {"status": "ready", "model_version": 3}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"user_seq": []}', b'{"user_seq"'])
def test_a_wrong_prediction_body_is_refused(shared_gateway: RunningGateway, body: bytes) -> None:
    answer = shared_gateway.client.post("/predict", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "body"


def test_the_model_servers_key_is_read_at_each_call(tmp_path: Path) -> None:
    model, keys = StandIn(), tmp_path / "key_file.json"
    plain = settings_in(tmp_path, inference_port=model.port)
    settings = replace(
        plain, store=replace(plain.store, server=f"{plain.store.server}&keys={keys}")
    )
    with gateway(settings) as client:
        assert "key file" in client.get("/v1/recommendations/ann").json()["reason"]
        for key in ("first", "second"):
            keys.write_text(json.dumps({"inference": {"key": key}, "management": {"key": "other"}}))
            assert "fallback" not in client.get("/v1/recommendations/ann").json()
            assert model.authorization == f"Bearer {key}"
        model.status, model.body = (
            400,
            {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed."},
        )
        assert (
            "Token Authorization failed." in client.get("/v1/recommendations/ann").json()["reason"]
        )
    model.stop()


def _without_id(content: bytes) -> str:
    """Return an answer without its own id."""
    answer = json.loads(content)
    del answer["recommendation_id"]
    return json.dumps(answer)


def test_an_id_with_a_line_feed_is_a_cold_users(shared_gateway: RunningGateway) -> None:
    answer = shared_gateway.client.get("/v1/recommendations/a%0Ab")
    assert answer.status_code == 200
    assert answer.json()["user_id"] == "a\nb"
