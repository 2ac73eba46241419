"""Which outcomes of a call are final, and how long the client waits before the next try."""

from __future__ import annotations

import pytest

from freshet_client import Refused, Retries, Unavailable, calls
from freshet_client.answers import DeletedItem
from freshet_client.attempts import Attempts, NoReply, Reply

LATER = Reply(503, b'{"error": {"field": "server", "reason": "overloaded"}}', "1")
DELETED = Reply(200, b'{"item_id": "5", "deleted": true, "at": "2026-01-31T12:00:00Z", "more": 1}')


def attempts(retries: Retries, *, now_s: float = 0.0) -> Attempts[DeletedItem]:
    return Attempts(calls.delete_item("5"), retries, clock=lambda: now_s, draw=lambda: 1.0)


def test_an_answer_ends_the_tries_and_may_have_newer_fields() -> None:
    answer = attempts(Retries()).settle(DELETED)
    assert answer is not None
    assert (answer.item_id, answer.at.isoformat()) == ("5", "2026-01-31T12:00:00+00:00")


def test_waits_double_and_are_at_least_what_the_gateway_asks() -> None:
    tried = attempts(Retries(tries=9, first_wait_s=0.5))
    waits = []
    for outcome in (NoReply("reset"), NoReply("reset"), LATER, Reply(429, b"", "7")):
        assert tried.settle(outcome) is None
        waits.append(tried.wait_s)
    assert waits == [0.5, 1.0, 2.0, 7.0]
    assert tried.settle(DELETED) is not None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_later_is_unavailable_after_all_tries(status: int) -> None:
    tried = attempts(Retries(tries=2))
    assert tried.settle(Reply(status, LATER.content)) is None
    with pytest.raises(Unavailable, match="overloaded") as unavailable:
        tried.settle(Reply(status, LATER.content))
    assert unavailable.value.status == status


def test_no_wait_goes_beyond_the_total_time() -> None:
    with pytest.raises(Unavailable):
        attempts(Retries(tries=9, total_s=0.5)).settle(LATER)  # which asks for a second


def test_a_failure_that_will_not_pass_is_not_tried_again() -> None:
    with pytest.raises(Unavailable, match="status 500"):
        attempts(Retries()).settle(Reply(500, b"oops"))
    with pytest.raises(Refused) as refused:
        attempts(Retries()).settle(Reply(404, b'{"error": {"field": "item_id", "reason": "no"}}'))
    assert (refused.value.field, refused.value.reason, refused.value.status) == (
        "item_id",
        "no",
        404,
    )


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"item_id": 5}'])
def test_what_is_not_an_answer_of_freshet_is_unavailable(content: bytes) -> None:
    with pytest.raises(Unavailable, match="not an answer of Freshet"):
        attempts(Retries()).settle(Reply(200, content))


@pytest.mark.parametrize("status", [302, 400, 404])
def test_a_refusal_of_another_server_is_refused(status: int) -> None:
    with pytest.raises(Refused, match="html"):
        attempts(Retries()).settle(Reply(status, b"<html>"))
