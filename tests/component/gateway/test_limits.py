"""The gateway at its limits: very many records or hidden items, clients that leave."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from cron.journal.dead_letters import DeadLetters
from cron.verbs import replay
from cron.verbs.gateway_calls import GatewayCalls
from cron.wiring import open_histories
from gateway.calls.records import MAX_LISTED
from gateway.content.record_bodies import MAX_CALL_RECORDS
from tests.component.gateway_process import RunningGateway
from tests.contracts.records import item

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"[" + b"0," * MAX_CALL_RECORDS + b"0]"),
        ("application/x-ndjson", b"0\n" * (MAX_CALL_RECORDS + 1)),
        ("application/x-ndjson", b"\n" * 1_000_000 + b"0\r\n" * (MAX_CALL_RECORDS + 1)),
    ],
)
def test_a_call_of_too_many_records_is_refused_whole(
    running: RunningGateway, content_type: str, body: bytes
) -> None:
    answer = running.client.post("/v1/events", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 413
    assert "100,000 records" in answer.json()["error"]["reason"]
    assert DeadLetters(Path(running.settings.store.var) / "dead-letters.jsonl").newest(1) == ()


def test_the_first_rejections_are_listed_and_all_are_kept(
    running: RunningGateway,
) -> None:
    answer = running.client.post(
        "/v1/events", json=[VIEW, *[{**VIEW, "rating": str(number)} for number in range(2_500)]]
    ).json()
    assert answer["accepted"] == 1
    assert [one["index"] for one in answer["rejected"]] == list(range(1, MAX_LISTED + 1))
    assert answer["more_rejected"] == 2_500 - MAX_LISTED
    letters = DeadLetters(Path(running.settings.store.var) / "dead-letters.jsonl").newest(9_999)
    assert len(letters) == 2_500
    assert "'2499'" in letters[-1].reason
    assert (
        'freshet_records_total{kind="event",outcome="rejected"} 2500.0'
        in running.client.get("/metrics").text
    )


def test_replay_counts_unlisted_rejections_too(running: RunningGateway) -> None:
    url, own = str(running.client.base_url), running.settings.gateway
    with GatewayCalls("/v1/events", url, own, say=print) as calls:
        sender = replay.Sender(calls)
        sender.send([{"user_id": "ann"}] * (MAX_LISTED + 5))
    assert sender.sent.rejected == MAX_LISTED + 5


def test_a_question_stays_small_with_many_hidden_items(running: RunningGateway) -> None:
    open_histories(running.settings.store.histories).append(
        [item(1, f"h{number}", hidden=True) for number in range(100_001)]
    )
    answer = running.client.get("/v1/recommendations/ann?k=1").json()
    assert [one["id"] for one in answer["items"]] == ["7"]
    assert len(json.dumps(running.model.asked[-1])) < 1_000
    running.model.stop()
    assert running.client.get("/v1/recommendations/ann?k=1").json()["items"] == [
        {"rank": 1, "id": "1", "title": "Film 1"}
    ]


@pytest.mark.parametrize(
    ("num_hidden", "asked"),
    [(0, [3]), (20, [3, 30]), (500, [3, 30, 300, 1000]), (999, [3, 30, 300, 1000])],
)
def test_items_hidden_since_the_release_leave_no_gap(
    running: RunningGateway, num_hidden: int, asked: list[int]
) -> None:
    running.client.post(
        "/v1/items",
        json=[
            {"item_id": str(number), "title": "Film", "hidden": True}
            for number in range(num_hidden)
        ],
    )
    running.model.body = {
        "items": [{"id": str(number), "title": "Film", "score": 1.0} for number in range(2_000)],
        "model_version": 3,
    }
    answer = running.client.get("/v1/recommendations/ann?k=3").json()
    assert [one["id"] for one in answer["items"]] == [
        str(num_hidden + place) for place in range(min(3, 1_000 - num_hidden))
    ]
    assert [one["k"] for one in running.model.asked] == asked


def test_a_short_list_is_not_asked_for_again(running: RunningGateway) -> None:
    running.client.post("/v1/items", json=[{"item_id": "1", "title": "Film", "hidden": True}])
    running.model.body = {
        "items": [{"id": str(number), "title": "Film", "score": 1.0} for number in range(3)],
        "model_version": 3,
    }
    for path in ("/v1/recommendations/ann?k=10", "/v1/items/9/similar?k=10"):
        running.model.asked.clear()
        answer = running.client.get(path).json()
        assert [one["id"] for one in answer["items"]] == ["0", "2"]
        assert [one["k"] for one in running.model.asked] == [10]


def test_a_client_that_leaves_is_not_an_internal_error(running: RunningGateway) -> None:
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    with socket.create_connection(
        (running.client.base_url.host, running.client.base_url.port or 80)
    ) as connection:
        connection.sendall(head.encode() + b"[")
    until = time.monotonic() + 60.0
    counted = 'freshet_requests_total{call="/v1/events",status="499"} 1.0'
    while counted not in (text := running.client.get("/metrics").text):
        assert time.monotonic() < until, text
    assert 'status="500"' not in text
