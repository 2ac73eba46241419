"""The one rule for ids, and the records that it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.records.events import from_json, parse_event, parse_item
from recommender.records.ids import MAX_ID_CHARS, is_plain_id, wrong_id
from recommender.records.nobody import NOBODY
from recommender.records.record_fields import InvalidRecord

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CONTROL = ["\0", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f", "\x85", "\x9f", "\u2028", "\u2029"]


@pytest.mark.parametrize(
    "text", ["a", "17", " 17", "日本🎬", "a b", "é", "Nancy", "nobody", "0", "x" * MAX_ID_CHARS]
)
def test_an_id_is_any_printable_text(text: str) -> None:
    assert wrong_id(text) is None


@pytest.mark.parametrize("text", ["17", "user-1", "a:1.5_b", "x1" * (MAX_ID_CHARS // 2)])
def test_ids_of_ascii_words_and_digits_are_plain(text: str) -> None:
    assert is_plain_id(text)
    assert wrong_id(text) is None


@given(st.text(max_size=12) | st.sampled_from(sorted(NOBODY)).map(str.upper))
def test_every_plain_id_is_valid(text: str) -> None:
    if is_plain_id(text):
        assert wrong_id(text) is None
        text.encode()
    assert not is_plain_id(text + "\n")
    assert not is_plain_id("x1" * MAX_ID_CHARS)
    assert not is_plain_id("1" * (MAX_ID_CHARS - 1) + "/"), "which took a million steps"


@pytest.mark.parametrize("character", CONTROL, ids=ascii)
@pytest.mark.parametrize("text", ["a{}b", "{}a", "a{}"])
def test_an_id_has_no_control_characters(character: str, text: str) -> None:
    assert "control characters" in (wrong_id(text.format(character)) or "")


@pytest.mark.parametrize("word", sorted(NOBODY))
def test_a_word_for_nobody_is_not_an_id(word: str) -> None:
    assert wrong_id(word) is not None
    assert wrong_id(f" {word.upper()} ") is not None


@pytest.mark.parametrize("name", ["event_id", "user_id", "item_id"])
@pytest.mark.parametrize("bad", ["a\nb", "undefined", "x" * (MAX_ID_CHARS + 1)])
def test_the_rule_holds_for_every_id_in_a_record(name: str, bad: str) -> None:
    event = {"event_id": "e", "user_id": "u", "item_id": "i", "type": "view"}
    with pytest.raises(InvalidRecord) as refusal:
        parse_event({**event, name: bad}, now=NOW, new_id=lambda: "new")
    assert refusal.value.field == name
    with pytest.raises(
        InvalidRecord
    ) as refusal:  # in a log that an older version or another program wrote
        from_json(json.dumps({"kind": "event", **event, "at": NOW.isoformat(), name: bad}))
    assert refusal.value.field == name
    if name != "user_id":
        with pytest.raises(InvalidRecord):
            parse_item(
                {"event_id": "e", "item_id": "i", "title": "T", name: bad},
                now=NOW,
                new_id=lambda: "new",
            )
