"""Forgetting users over HTTP, and the ids that the gateway does not take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from cron import wiring
from cron.journal.dead_letters import DeadLetters
from cron.ledger import database, forgotten, schema
from recommender.ids import MAX_ID_CHARS
from tests.component import story
from tests.component.gateway_process import House, furnished

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger with the story, to be copied."""
    file = tmp_path_factory.mktemp("story") / "ledger.db"
    story.tell(file).close()
    return file


@pytest.fixture
def house(tmp_path: Path, told: Path) -> Iterator[House]:
    with furnished(tmp_path, told) as house:
        yield house


def test_a_page_tells_how_long_somebody_waits_to_be_erased(house: House) -> None:
    assert "freshet_erasure_waiting_seconds 0.0" in house.client.get("/metrics").text
    ledger = wiring.open_ledger(house.settings.store.ledger)
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
        r"^freshet_erasure_waiting_seconds (.*)$", house.client.get("/metrics").text, re.MULTILINE
    )
    assert found is not None
    assert float(found[1]) > 86_400


def test_forgetting_takes_the_dead_letters_too(house: House) -> None:
    house.client.post(
        "/v1/events",
        json=[{**VIEW, "at": "yesterday"}, {**VIEW, "user_id": "bob", "at": "yesterday"}],
    )
    house.client.delete("/v1/users/ann")
    letters = DeadLetters(Path(house.settings.store.var) / "dead-letters.jsonl").newest(10)
    assert [json.loads(letter.raw)["user_id"] for letter in letters] == ["bob"]


@pytest.mark.parametrize("user_id", ["a\nb", "\n", "a\n", "a/b", "a\u2028b", "\x7f"], ids=ascii)
def test_users_from_before_ids_were_checked_can_be_forgotten(house: House, user_id: str) -> None:
    """Their events can't come any more; what came earlier must be deletable. One that is all blank never was an id."""
    answer = house.client.delete("/v1/users/" + quote(user_id, safe=""))
    assert answer.status_code == (200 if user_id.strip() else 400)
    assert user_id.strip() == "" or answer.json()["user_id"] == user_id


def test_recommendations_for_an_id_that_is_too_long_are_refused(house: House) -> None:
    answer = house.client.get("/v1/recommendations/" + "x" * (MAX_ID_CHARS + 1))
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "user_id")


@pytest.mark.parametrize("user_id", ["x" * (MAX_ID_CHARS + 1), "  ", ""])
def test_what_no_user_can_be_called_is_refused_and_leaves_no_row(
    house: House, user_id: str
) -> None:
    answer = house.client.delete("/v1/users/" + quote(user_id, safe=""))
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "user_id"
    assert forgotten.every(wiring.open_ledger(house.settings.store.ledger)) == []


@pytest.mark.parametrize(
    "user_id",
    ["a\nb", "undefined", "NULL", "x" * (MAX_ID_CHARS + 1)],
    ids=["line feed", "undefined", "NULL", "long"],
)
def test_an_id_that_is_none_is_refused_by_field_and_reason(house: House, user_id: str) -> None:
    answer = house.client.post("/v1/events", json=[{**VIEW, "user_id": user_id}, VIEW])
    assert answer.status_code == 202
    assert [(one["index"], one["field"]) for one in answer.json()["rejected"]] == [(0, "user_id")]
