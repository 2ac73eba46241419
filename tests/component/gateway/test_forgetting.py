"""Forgetting users over HTTP, and ids that are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from cron import wiring
from cron.journal.dead_letters import DeadLetters
from cron.ledger import database, forgotten, schema
from recommender.records.ids import MAX_ID_CHARS
from tests.component.gateway_process import RunningGateway

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


def test_metrics_show_how_long_an_erasure_has_waited(running: RunningGateway) -> None:
    assert "freshet_erasure_waiting_seconds 0.0" in running.client.get("/metrics").text
    ledger = wiring.open_ledger(running.settings.store.ledger)
    with database.writer(ledger.engine).begin() as connection:
        values = {
            "user_key": "k",
            "up_to_us": 0,
            "through_seq": 0,
            "asked_at": "2026-01-01T00:00:00+00:00",
            "asked_by": "a test",
        }
        connection.execute(schema.forgotten.insert().values(values))
    found = re.search(
        r"^freshet_erasure_waiting_seconds (.*)$", running.client.get("/metrics").text, re.MULTILINE
    )
    assert found is not None
    assert float(found[1]) > 86_400


def test_forgetting_deletes_dead_letters_too(running: RunningGateway) -> None:
    running.client.post(
        "/v1/events",
        json=[{**VIEW, "at": "yesterday"}, {**VIEW, "user_id": "bob", "at": "yesterday"}],
    )
    running.client.delete("/v1/users/ann")
    letters = DeadLetters(Path(running.settings.store.var) / "dead-letters.jsonl").newest(10)
    assert [json.loads(letter.raw)["user_id"] for letter in letters] == ["bob"]


@pytest.mark.parametrize("user_id", ["a\nb", "\n", "a\n", "a/b", "a\u2028b", "\x7f"], ids=ascii)
def test_users_from_before_ids_were_checked_can_be_forgotten(
    running: RunningGateway, user_id: str
) -> None:
    """Such ids are refused now, but older events must be deletable. Blanks were never an id."""
    answer = running.client.delete("/v1/users/" + quote(user_id, safe=""))
    assert answer.status_code == (200 if user_id.strip() else 400)
    assert user_id.strip() == "" or answer.json()["user_id"] == user_id


@pytest.mark.parametrize("user_id", ["", "x" * (MAX_ID_CHARS + 1)], ids=["none", "too long"])
def test_an_id_that_no_user_can_have_gets_no_list(running: RunningGateway, user_id: str) -> None:
    answer = running.client.get("/v1/recommendations/" + user_id)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "user_id")


@pytest.mark.parametrize("user_id", ["x" * (MAX_ID_CHARS + 1), "  ", ""])
def test_an_invalid_id_is_refused_and_leaves_no_row(running: RunningGateway, user_id: str) -> None:
    answer = running.client.delete("/v1/users/" + quote(user_id, safe=""))
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "user_id"
    assert forgotten.every(wiring.open_ledger(running.settings.store.ledger)) == []


@pytest.mark.parametrize(
    "user_id",
    ["a\nb", "undefined", "NULL", "x" * (MAX_ID_CHARS + 1)],
    ids=["line feed", "undefined", "NULL", "long"],
)
def test_an_event_with_an_invalid_id_is_rejected(running: RunningGateway, user_id: str) -> None:
    answer = running.client.post("/v1/events", json=[{**VIEW, "user_id": user_id}, VIEW])
    assert answer.status_code == 202
    assert [(one["index"], one["field"]) for one in answer.json()["rejected"]] == [(0, "user_id")]
