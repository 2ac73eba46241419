"""The rule on wording: words that are neither the brief's nor only phrase it are rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")


@pytest.mark.parametrize(
    "text",
    [
        "Because you liked “Star Wars”: another look at sci-fi, for a quiet evening.",
        "Irvin Kershner directed this sci-fi film, which was released in 1980.",
        "“The Empire Strikes Back” is well worth your time.",
        "A well-suited choice after “Alien”.",
    ],
)
def test_words_that_phrase_are_accepted(text: str) -> None:
    assert "wording" not in broken_rules(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("“The Empire Strikes Back” is a sci-fi film about a murder.", "a plot"),
        ("Sci-fi in a small coastal town.", "a place"),
        ("A tender, honest sci-fi film.", "a judgement"),
        ("A classic of sci-fi.", "praise"),
        ("Carrie Fisher plays a lonely queen.", "a character"),
    ],
)
def test_other_words_are_rejected(text: str, word: str) -> None:
    assert "wording" in broken_rules(text), word


def test_a_word_of_a_title_alone_is_no_word_of_the_brief() -> None:
    """The title “The Empire Strikes Back” does not say that the film is about an empire."""
    assert "wording" in broken_rules("Sci-fi about an empire.")
    assert "wording" in broken_rules("Like Empire Strikes, this is sci-fi.")


def test_chinese_is_divided_into_allowed_words() -> None:
    assert "wording" not in broken_rules("喜欢《Alien》的你，不妨试试这部科幻片。", ZH)
    assert "wording" in broken_rules("一部关于复仇的科幻片。", ZH)
    assert "wording" in broken_rules("故事发生在海边小镇的科幻片。", ZH)


@pytest.mark.parametrize(
    "text",
    ["A sci-fi film, a story of the end of the world.", "It is sci-fi, but also a story of love."],
)
def test_a_story_of_something_else_is_rejected(text: str) -> None:
    """A small model made plots of words that only phrase."""
    assert "wording" in broken_rules(text)
    assert "wording" not in broken_rules("A sci-fi film, a story of war.")
