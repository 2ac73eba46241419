"""Forgetting a user deletes the dead letters that hold the user's id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cron.errors import Unavailable
from cron.journal.dead_letters import MAX_RAW_CHARS, DeadLetters
from tests.component.forgetting import forget_in, one_raw
from tests.component.house import House
from tests.contracts.records import START_AT


def test_dead_letters_with_the_id_as_a_word_are_deleted(house: House, tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead-letters.jsonl")
    for raw in (
        "ann,50,five",
        "joanna,50,five",
        "annabel",
        json.dumps(one_raw("ann")),
        json.dumps(one_raw("anna")),
    ):
        letters.add(source="ingest", reason="bad", raw=raw, at=START_AT)
    forget_in(house, tmp_path)
    assert [letter.raw for letter in letters.newest(9)] == [
        "joanna,50,five",
        "annabel",
        json.dumps(one_raw("anna")),
    ]


@pytest.mark.parametrize("user_id", ["müller", "🎬", 'the "one"', "a/b", r"c\d"])
def test_cut_dead_letters_go_when_they_hold_the_id_escaped(
    house: House, tmp_path: Path, user_id: str
) -> None:
    """`json.dumps` escapes `ü`, and a cut letter is not JSON any more."""
    letters = DeadLetters(tmp_path / "dead-letters.jsonl")
    raw = json.dumps({"user_id": user_id, "x": "y" * MAX_RAW_CHARS}).replace("/", r"\/")
    letters.add(source="gateway", reason="x: …", raw=raw, at=START_AT)
    assert len(letters.newest(9)) == 1
    forget_in(house, tmp_path, user_id)
    assert letters.newest(9) == ()


def test_dead_letters_not_deleted_are_reported(house: House, tmp_path: Path) -> None:
    (tmp_path / "dead-letters.jsonl.lock").mkdir()
    with pytest.raises(Unavailable, match="the dead letters at "):
        forget_in(house, tmp_path)


def test_unreadable_dead_letters_are_not_taken_for_deleted(house: House, tmp_path: Path) -> None:
    (tmp_path / "dead-letters.jsonl").mkdir()
    with pytest.raises(Unavailable, match=r"the dead letters at .*Is a directory"):
        forget_in(house, tmp_path)
