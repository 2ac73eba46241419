"""The gateway and a single TorchServe that drips, is slow, fails, or takes no more: what is answered, how soon, and what is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from cron.project_root import PROJECT_ROOT
from gateway.model.node import MAX_REQUEST_BYTES
from tests.component import story
from tests.component.gateway_process import StandIn, gateway, settings_in

LIMIT_S = 1.0
QUESTION = {"user_seq": ["Toy Story (1995)"], "item_desc": "GoldenEye (1995)"}


@dataclass(frozen=True, kw_only=True)
class House:
    """A running gateway with little patience, and its model server."""

    client: httpx.Client
    model: StandIn

    def in_service(self) -> list[bool]:
        """Return what the status says of each node."""
        return list(self.client.get("/v1/status").json()["in_service"].values())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    story.tell(tmp_path / "ledger.db").close()
    model = StandIn()
    plain = settings_in(tmp_path, inference_port=model.port)
    with gateway(
        replace(plain, gateway=replace(plain.gateway, inference_timeout_s=LIMIT_S))
    ) as client:
        yield House(client=client, model=model)
    model.stop()


def test_a_server_that_sends_a_byte_now_and_then_gets_no_more_time_than_any_other(
    house: House,
) -> None:
    house.model.pause_s = LIMIT_S / 4
    answer = house.client.get("/v1/recommendations/ann").json()
    assert (answer.get("fallback"), answer.get("reason")) == (
        True,
        "the model server did not answer in time",
    )
    assert house.client.post("/predict", json=QUESTION).status_code == 503
    assert house.client.get("/readyz").status_code == 503


def test_asking_for_more_where_hidden_items_leave_a_gap_takes_no_more_time_either(
    house: House,
) -> None:
    house.client.post(
        "/v1/items",
        json=[{"item_id": str(number), "title": "Film", "hidden": True} for number in range(400)],
    )
    house.model.body = {
        "items": [{"id": str(number), "title": "Film"} for number in range(401)],
        "model_version": 3,
    }
    house.model.delay_s = LIMIT_S * 0.6  # asked for 1, 10, 100 and 1,000 items
    assert house.client.get("/v1/recommendations/ann?k=1").json().get("fallback") is True


def test_status_tells_that_the_only_server_failed_and_that_it_is_back(house: House) -> None:
    assert house.in_service() == [True]
    house.model.status = 503
    assert house.client.get("/v1/recommendations/ann").json()["fallback"] is True
    assert house.in_service() == [False]
    house.model.status = 200
    answers = [house.client.get("/v1/recommendations/ann").json() for _ in range(5)]
    assert not any(
        "fallback" in answer for answer in answers
    )  # there is no other, so it is asked at once again
    assert house.in_service() == [True]
    assert house.client.get("/readyz").status_code == 200


def test_a_question_that_the_model_finds_wrong_is_no_failure_of_the_server(house: House) -> None:
    house.model.status, house.model.body = (
        400,
        {"error": {"field": "user_seq", "reason": "user_seq: found 3, expected a list"}},
    )
    assert house.client.post("/predict", json=QUESTION).status_code == 400
    assert house.in_service() == [True]


def test_letters_beyond_ascii_reach_the_server_as_they_came_and_no_larger(house: House) -> None:
    house.model.body = {"score": 3.5, "model_version": 3}
    question = {
        "user_seq": ["Иван Васильевич меняет профессию", "千と千尋の神隠し", "😀"],
        "item_desc": 'ein "Übel"\n',
    }
    sent = json.dumps(question, ensure_ascii=False).encode()
    assert house.client.post("/predict", content=sent).status_code == 200
    assert json.loads(house.model.received) == question
    assert len(house.model.received) <= len(sent)


def test_half_a_letter_stays_the_escape_that_it_came_as(house: House) -> None:
    sent = b'{"user_seq":["\\ud83d"],"item_desc":"\\ud83d\\ude00"}'
    house.client.post("/predict", content=sent)
    assert house.model.received == b'{"user_seq":["\\ud83d"],"item_desc":"' + "😀".encode() + b'"}'


def test_a_question_too_large_for_the_server_is_told_with_its_limit_and_no_failure(
    house: House,
) -> None:
    house.model.status = 413
    answer = house.client.post("/predict", json=QUESTION)
    assert answer.status_code == 413
    error = answer.json()["error"]
    assert error["field"] == "body"
    assert "bytes, more than the model server takes" in error["reason"]
    assert f"max_request_size; Freshet starts it with {MAX_REQUEST_BYTES:,}" in error["reason"]
    assert house.client.get("/v1/recommendations/ann").json()["fallback"] is True
    assert house.in_service() == [True]


def test_the_limit_that_is_told_is_the_one_that_the_server_starts_with() -> None:
    assert (
        f"max_request_size={MAX_REQUEST_BYTES}"
        in (PROJECT_ROOT / "deploy" / "torchserve.properties").read_text().splitlines()
    )
