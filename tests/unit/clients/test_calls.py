"""What the client sends: quoted ids, bodies below the gateway's limits, ids of events."""

from __future__ import annotations

import gzip
import json
import uuid
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshet_client import Event, Item, Refused, Retries, Unavailable, calls
from freshet_client.answers import Recommendations
from freshet_client.attempts import Attempts, Reply
from freshet_client.decoding import WrongAnswer
from freshet_client.records import MAX_CALL_BYTES, new_event_id, record_line

LIST = {"recommendation_id": "r", "user_id": "ann", "model_version": 3, "policy": "greedy"}


@given(st.text(min_size=1).filter(lambda id_: id_.isprintable()))
def test_an_id_is_one_segment_of_the_path(id_: str) -> None:
    folder, _, segment = calls.item(id_).path.rpartition("/")
    assert folder == "/v1/items"
    assert unquote(segment) == id_
    assert segment not in (".", "..")


def test_a_question_with_more_than_a_user_is_a_post() -> None:
    simple = calls.recommend({"user_id": 5, "k": 3, "filter": None})
    assert (simple.method, simple.path, simple.params) == (
        "GET",
        "/v1/recommendations/5",
        {"k": "3"},
    )
    at = datetime(2026, 1, 31, tzinfo=UTC)
    posted = calls.recommend({"user_id": "ann", "at": at, "candidates": ("1", "2")})
    assert (posted.method, json.loads(posted.content or b"")) == (
        "POST",
        {"user_id": "ann", "at": "2026-01-31T00:00:00+00:00", "candidates": ["1", "2"]},
    )


def test_a_change_sends_none_to_remove_a_field() -> None:
    assert calls.change_item("5", {"text": None}).content == b'{"text":null}'


def test_a_large_body_is_packed() -> None:
    (small,) = calls.send_items([Item("5", "Five")])
    (large,) = calls.send_items([Item("5", "Five", text="x" * 20_000)])
    assert "Content-Encoding" not in small.headers
    assert large.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(large.content or b""))["text"] == "x" * 20_000


def test_calls_stay_below_the_limits_of_the_gateway() -> None:
    many = list(calls.send_events(Event("ann", "5", "view") for _ in range(2_500)))
    assert [len(body_of(call).splitlines()) for call in many] == [1_000, 1_000, 500]
    large = list(calls.send_items(Item("5", "Five", text="x" * 250_000) for _ in range(70)))
    assert [len(body_of(call)) <= MAX_CALL_BYTES for call in large] == [True] * 3
    questions = calls.recommend_many({"user_id": str(number)} for number in range(600))
    assert [len(body_of(call).splitlines()) for call in questions] == [256, 256, 88]


def test_the_place_of_a_rejected_record_counts_earlier_calls() -> None:
    calls_ = calls.send_events(Event("ann", "5", "view") for _ in range(1_001))
    rejected = {"index": 0, "field": "rating", "reason": "wrong"}
    answer = json.dumps({"accepted": 0, "duplicates": 0, "rejected": [rejected]}).encode()
    stored = calls.sum_of(call.parse(answer) for call in calls_)
    assert [one.index for one in stored.rejected] == [0, 1_000]


def test_each_line_of_many_is_a_list_or_why_there_is_none() -> None:
    (call,) = calls.recommend_many([{"user_id": "ann"}] * 3)
    wrong = {"error": {"field": "k", "reason": "too few"}}
    busy = {"error": {"field": "server", "reason": "overloaded"}}
    content = "\n".join(json.dumps(line) for line in ({**LIST, "items": []}, wrong, busy)).encode()
    assert [type(one) for one in call.parse(content)] == [Recommendations, Refused, Unavailable]
    with pytest.raises(WrongAnswer, match="2 lists came for 3"):
        call.parse(content[: content.rindex(b"\n")])


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_body_of_many_questions_refuses_each(status: int) -> None:
    (call,) = calls.recommend_many([{"user_id": "ann"}] * 3)
    reply = Reply(status, b'{"error": {"field": "body", "reason": "too large"}}')
    found = Attempts(call, Retries()).settle(reply)
    assert found is not None
    assert [str(one) for one in found] == [f"too large (field body, status {status})"] * 3
    with pytest.raises(Refused, match="no key"):
        Attempts(call, Retries()).settle(Reply(403, reply.content.replace(b"too large", b"no key")))


def test_a_time_without_a_zone_is_refused() -> None:
    at = datetime(2026, 1, 31, 12)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        record_line(Event("ann", "5", "view", at=at))
    with pytest.raises(ValueError, match="no time zone"):
        calls.recommend({"user_id": "ann", "at": at})


def test_an_event_keeps_the_id_and_time_that_it_got_first() -> None:
    event = Event("ann", 5, "view")
    assert record_line(event) == record_line(event)
    assert json.loads(record_line(event)) == {
        "user_id": "ann",
        "item_id": 5,
        "type": "view",
        "at": event.at.isoformat() if isinstance(event.at, datetime) else None,
        "event_id": event.event_id,
    }


def test_ids_of_events_are_uuids_in_the_order_of_time() -> None:
    first = uuid.UUID(new_event_id())
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert len({new_event_id() for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_a_value_that_is_not_json_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="JSON"):
        record_line(Event("ann", "5", "view", rating=value))  # type: ignore[arg-type]


def body_of(call: calls.Call[object]) -> bytes:
    content = call.content or b""
    return gzip.decompress(content) if "Content-Encoding" in call.headers else content
