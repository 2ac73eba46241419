"""Events and items over HTTP: stored once, refused by field, part of the histories at once."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cron import wiring
from cron.journal.dead_letters import DeadLetters
from cron.ledger import forgotten
from gateway.content.record_bodies import MAX_CALL_BYTES
from recommender.records.events import MAX_RECORD_BYTES, Event, Item
from tests.component.gateway_process import (
    RunningGateway,
)

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


def test_an_event_is_durable_and_in_the_next_answer(
    running: RunningGateway,
) -> None:
    event = {
        "event_id": "e1",
        "user_id": "ann",
        "item_id": 5,
        "type": "rating",
        "rating": 4,
        "at": "2026-01-02T03:04:05+01:00",
    }
    answer = running.client.post("/v1/events", json=event)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    at = datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert running.log_records() == (
        Event(event_id="e1", user_id="ann", item_id="5", type="rating", rating=4.0, at=at),
    )
    running.client.get("/v1/recommendations/ann?k=3")
    assert running.model.asked[-1] == {
        "user_seq": {"id": ["5"], "type": ["rating"], "rating": [4.0], "at": [at.timestamp()]},
        "k": 3,
        "exclude_seen": True,
        "exclude": [],
    }


def test_an_event_without_id_gets_an_increasing_id(running: RunningGateway) -> None:
    answer = running.client.post("/v1/events", json=[VIEW] * 50)
    assigned = [one["event_id"] for one in answer.json()["event_ids"]]
    assert [one["index"] for one in answer.json()["event_ids"]] == list(range(50))
    assert assigned == sorted(set(assigned))
    assert {uuid.UUID(one).version for one in assigned} == {7}
    assert [record.event_id for record in running.log_records()] == assigned


def test_the_same_event_id_counts_once(running: RunningGateway) -> None:
    running.client.post("/v1/events", json={**VIEW, "event_id": "e1"})
    answer = running.client.post(
        "/v1/events",
        json=[{**VIEW, "event_id": "e1"}, {**VIEW, "event_id": "e2"}, {**VIEW, "event_id": "e2"}],
    )
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 2, "rejected": []}
    assert [record.event_id for record in running.log_records()] == ["e1", "e2"]
    again = running.client.post("/v1/events", json={**VIEW, "event_id": "e1"})
    assert (again.status_code, again.json()["duplicates"]) == (202, 1)


def test_a_bad_record_is_reported_and_the_others_stored(
    running: RunningGateway,
) -> None:
    bad = {**VIEW, "type": "rating", "rating": "five"}
    answer = running.client.post("/v1/events", json=[VIEW, bad, VIEW])
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    (rejected,) = answer.json()["rejected"]
    assert (rejected["index"], rejected["field"]) == (1, "rating")
    assert "'five'" in rejected["reason"]
    (letter,) = DeadLetters(Path(running.settings.store.var) / "dead-letters.jsonl").newest(10)
    assert json.loads(letter.raw) == bad
    assert letter.reason == rejected["reason"]


def test_records_are_stored_when_dead_letters_cannot_be_written(running: RunningGateway) -> None:
    (Path(running.settings.store.var) / "dead-letters.jsonl").mkdir(
        parents=True
    )  # nobody can append to a folder
    answer = running.client.post(
        "/v1/events", json=[VIEW, {**VIEW, "type": "rating", "rating": "five"}]
    )
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["rejected"][0]["index"]) == (1, 1)
    assert len(running.log_records()) == 1


def test_only_bad_records_are_a_400(running: RunningGateway) -> None:
    answer = running.client.post("/v1/events", json=[{"user_id": "ann"}])
    assert answer.status_code == 400
    assert answer.json()["rejected"][0]["field"] == "type"
    assert running.log_records() == ()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "empty"),
        (b"[]", 400, "empty"),
        (b'[{"user_id": ', 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b"3", 400, "expected a JSON object"),
        (b'{"user_id": "a", "item_id": "b", "type": "view", "ratng": 3}', 400, "ratng"),
        (
            b'{"user_id": "a", "item_id": "b", "type": "view", "rating": 1' + b"0" * 400 + b"}",
            400,
            "rating",
        ),
        (b'{"user_id": "a", "item_id": "b", "type": "view", "rating": NaN}', 400, "NaN"),
        (
            b'{"user_id": "a", "item_id": "b", "type": "view", "at": '
            + b"[" * 900
            + b"]" * 900
            + b"}",
            400,
            "at",
        ),
        (b'{"user_id": "\\ud800", "item_id": "b", "type": "view"}', 400, "Unicode"),
        (b'{"\\ud800": 1}', 400, "unknown field"),
        (b'{"user_id": "a", "item_id": "b", "type": "view", "at": "1970-01-01"}', 400, "1990"),
        (b" " * (MAX_CALL_BYTES + 1), 413, "32 MiB"),
    ],
)
def test_hostile_bodies_are_refused_with_a_sentence(
    shared_gateway: RunningGateway, body: bytes, status: int, says: str
) -> None:
    answer = shared_gateway.client.post("/v1/events", content=body)
    assert answer.status_code == status
    assert says in answer.text
    answer.json()


def test_ndjson_is_read_line_by_line(running: RunningGateway) -> None:
    long = json.dumps({**VIEW, "item_id": "x" * MAX_RECORD_BYTES})
    lines = [
        json.dumps({**VIEW, "event_id": "e1"}),
        "",
        "not json",
        long,
        json.dumps({**VIEW, "event_id": "e2"}),
    ]
    answer = running.client.post(
        "/v1/events",
        content="\n".join(lines),
        headers={"Content-Type": "application/x-ndjson; charset=utf-8"},
    )
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert [(one["index"], one["field"]) for one in answer.json()["rejected"]] == [
        (1, "record"),
        (2, "record"),
    ]
    assert [record.event_id for record in running.log_records()] == ["e1", "e2"]


def test_a_record_over_the_limit_is_refused_in_a_list_too(running: RunningGateway) -> None:
    answer = running.client.post(
        "/v1/items",
        json=[
            {"item_id": "1", "title": "a", "text": "x" * MAX_RECORD_BYTES},
            {"item_id": "2", "title": "b"},
        ],
    )
    assert answer.json()["accepted"] == 1
    assert "256 KiB" in answer.json()["rejected"][0]["reason"]


def test_hidden_items_are_left_out_at_once(running: RunningGateway) -> None:
    item = {
        "item_id": "7",
        "title": "Star Wars",
        "attributes": {"genre": ["Action"], "year": 1977},
        "hidden": True,
    }
    assert running.client.post("/v1/items", json=item).status_code == 202
    (stored,) = running.log_records()
    assert isinstance(stored, Item)
    assert stored.attributes == {"genre": ("Action",), "year": 1977.0}
    assert running.client.get("/v1/recommendations/ann").json()["items"] == []


def test_a_forgotten_user_is_a_cold_user(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=VIEW)
    answer = running.client.delete("/v1/users/ann").json()
    assert (answer["user_id"], answer["forgotten"]) == ("ann", True)
    (mark,) = forgotten.every(wiring.open_ledger(running.settings.store.ledger))
    assert (mark.up_to.isoformat(), mark.asked_by) == (answer["up_to"], "the gateway")
    running.client.get("/v1/recommendations/ann")
    assert running.model.asked[-1] == {"user_seq": [], "k": 10, "exclude_seen": True, "exclude": []}
