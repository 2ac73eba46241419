"""`POST /v1/recommendations` with NDJSON: a line for each line, streamed, and what it holds."""

from __future__ import annotations

import json

import httpx
import pytest

from gateway.content.record_bodies import MAX_CALL_RECORDS
from gateway.services import BATCHES_AT_ONCE
from tests.component.gateway_process import RunningGateway

PATH = "/v1/recommendations"
NDJSON = {"Content-Type": "application/x-ndjson"}


def ask(running: RunningGateway, content: str) -> list[dict[str, object]]:
    answer = running.client.post(PATH, content=content, headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_each_line_is_answered_in_its_place(shared_gateway: RunningGateway) -> None:
    users = [f"user {place}" for place in range(50)]
    found = ask(shared_gateway, "\n".join(json.dumps({"user_id": user, "k": 1}) for user in users))
    assert [one["user_id"] for one in found] == users
    assert all(one["items"] for one in found)
    assert len({one["recommendation_id"] for one in found}) == len(users)


def test_a_bad_line_is_refused_and_spoils_no_other(shared_gateway: RunningGateway) -> None:
    lines = ['{"user_id": "ann"}', "{", "", "[1]", '{"user_id": "ben", "k": 0}', '{"history": []}']
    found = ask(shared_gateway, "\n".join(lines))
    assert [place for place, one in enumerate(found) if "items" in one] == [0, 4]
    fields = [one["error"]["field"] for one in found[1:4]]  # type: ignore[index]
    assert fields == ["body", "body", "k"]


def test_a_line_that_the_model_refuses_says_so(running: RunningGateway) -> None:
    running.model.status = 400
    running.model.body = {"error": {"field": "filter", "reason": "no item has it"}}
    (found,) = ask(running, '{"user_id": "ann", "filter": {"x": 1}}')
    assert found["error"] == {"field": "filter", "reason": "no item has it"}


def test_without_a_model_the_lines_are_popular_items(running: RunningGateway) -> None:
    running.model.stop()
    found = ask(running, '{"user_id": "ann"}\n{"user_id": "ben"}\n')
    assert [one["fallback"] for one in found] == [True, True]
    assert "freshet_fallbacks_total 2.0" in running.client.get("/metrics").text


@pytest.mark.parametrize(
    ("content", "status"),
    [("\n \n", 400), ("1\n" * (MAX_CALL_RECORDS + 1), 413), ("x" * (8 * 2**20 + 1), 413)],
    ids=["none", "too many", "too large"],
)
def test_a_body_is_refused_whole(shared_gateway: RunningGateway, content: str, status: int) -> None:
    answer = shared_gateway.client.post(PATH, content=content, headers=NDJSON)
    assert answer.status_code == status
    assert answer.json()["error"]["field"] == "body"


def test_clients_that_leave_give_their_turns_back(running: RunningGateway) -> None:
    line = '{"user_id": "ann"}\n'
    impatient = httpx.Timeout(60.0, read=0.5)
    running.model.free.clear()
    for _ in range(BATCHES_AT_ONCE):
        with pytest.raises(httpx.ReadTimeout):
            running.client.post(PATH, content=line, headers=NDJSON, timeout=impatient)
    running.model.free.set()
    assert ask(running, line)[0]["user_id"] == "ann"
