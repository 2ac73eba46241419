"""The gateway and a single TorchServe that sends slowly, fails, or refuses a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from gateway.model.node import MAX_REQUEST_BYTES
from tests.component.gateway_process import RunningGateway, run_gateway

LIMIT_S = 3.0
QUESTION = {"user_seq": ["Toy Story (1995)"], "item_desc": "GoldenEye (1995)"}


@pytest.fixture
def hasty(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway with little patience."""
    with run_gateway(tmp_path, story_ledger, timeout_s=LIMIT_S) as running:
        yield running


def test_a_server_that_sends_slowly_gets_no_extra_time(
    hasty: RunningGateway,
) -> None:
    hasty.model.pause_s = LIMIT_S / 4
    answer = hasty.client.get("/v1/recommendations/ann").json()
    assert (answer.get("fallback"), answer.get("reason")) == (
        True,
        "the model server did not answer in time",
    )
    assert hasty.client.post("/predict", json=QUESTION).status_code == 503
    assert hasty.client.get("/readyz").status_code == 503


def test_asking_for_more_items_takes_no_extra_time(
    hasty: RunningGateway,
) -> None:
    hasty.client.post(
        "/v1/items",
        json=[{"item_id": str(number), "title": "Film", "hidden": True} for number in range(400)],
    )
    hasty.model.body = {
        "items": [{"id": str(number), "title": "Film", "score": 1.0} for number in range(401)],
        "model_version": 3,
    }
    hasty.model.delay_s = LIMIT_S * 0.6  # asked for 1, 10, 100 and 1,000 items
    assert hasty.client.get("/v1/recommendations/ann?k=1").json().get("fallback") is True


def test_status_shows_a_failed_server_and_its_return(running: RunningGateway) -> None:
    assert running.in_service() == [True]
    running.model.status = 503
    assert running.client.get("/v1/recommendations/ann").json()["fallback"] is True
    assert running.in_service() == [False]
    running.model.status = 200
    answers = [running.client.get("/v1/recommendations/ann").json() for _ in range(5)]
    assert not any(
        "fallback" in answer for answer in answers
    )  # there is no other, so it is asked at once again
    assert running.in_service() == [True]
    assert running.client.get("/readyz").status_code == 200


def test_a_refusal_of_the_model_is_not_a_failure(running: RunningGateway) -> None:
    running.model.status, running.model.body = (
        400,
        {"error": {"field": "user_seq", "reason": "user_seq: found 3, expected a list"}},
    )
    assert running.client.post("/predict", json=QUESTION).status_code == 400
    assert running.in_service() == [True]


def test_letters_beyond_ascii_are_passed_on_unescaped(running: RunningGateway) -> None:
    running.model.body = {"score": 3.5, "model_version": 3}
    question = {
        "user_seq": ["Иван Васильевич меняет профессию", "千と千尋の神隠し", "😀"],
        "item_desc": 'ein "Übel"\n',
    }
    sent = json.dumps(question, ensure_ascii=False).encode()
    assert running.client.post("/predict", content=sent).status_code == 200
    assert json.loads(running.model.received) == question
    assert len(running.model.received) <= len(sent)


def test_a_lone_surrogate_stays_an_escape(running: RunningGateway) -> None:
    sent = b'{"user_seq":["\\ud83d"],"item_desc":"\\ud83d\\ude00"}'
    running.client.post("/predict", content=sent)
    assert (
        running.model.received == b'{"user_seq":["\\ud83d"],"item_desc":"' + "😀".encode() + b'"}'
    )


def test_too_large_a_question_is_refused_with_the_limit(
    running: RunningGateway,
) -> None:
    running.model.status = 413
    answer = running.client.post("/predict", json=QUESTION)
    assert answer.status_code == 413
    error = answer.json()["error"]
    assert error["field"] == "body"
    assert "bytes, more than the model server accepts" in error["reason"]
    assert f"max_request_size; Freshet starts it with {MAX_REQUEST_BYTES:,}" in error["reason"]
    assert running.client.get("/v1/recommendations/ann").json()["fallback"] is True
    assert running.in_service() == [True]


def test_the_limit_named_is_the_one_torchserve_starts_with() -> None:
    assert (
        f"max_request_size={MAX_REQUEST_BYTES}"
        in (PROJECT_ROOT / "deploy" / "torchserve.properties").read_text().splitlines()
    )
