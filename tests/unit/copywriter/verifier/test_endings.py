"""The rule on endings: a text that was cut off is not shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")
TITLE_EN, TITLE_ZH = replace(FILM, kind="row_title"), replace(ZH, kind="row_title")
SENTENCES = (
    "《The Empire Strikes Back》和《Star Wars》一样，都属于科幻。",
    "看过《Star Wars》？试试《The Empire Strikes Back》！",
    "与《Star Wars》一样，编剧是George Lucas，值得一试……",
    "看过《Star Wars》（和《Alien》）。",
    "想看科幻？《The Empire Strikes Back》就是一例，《Star Wars》正是。",
    "看完《Star Wars》，再来一部。",
    "看过《Star Wars》就是推荐它的理由。",
    "您喜欢的《Star Wars》属于科幻，《The Empire Strikes Back》也是。",
)


@pytest.mark.parametrize("text", SENTENCES)
def test_a_chinese_sentence_is_complete(text: str) -> None:
    assert "ending" not in broken_rules(text, ZH)


@pytest.mark.parametrize(
    "text",
    [
        "《The Empire Strikes Back》和《Star Wars》一样，都属于",
        "《The Empire Strikes Back》和《Star Wars》一样，都属于科幻、",
        "《The Empire Strikes Back》是一部1980年的科幻",
        "喜欢《Star Wars》的话，不妨看看同为科幻题材的",
        "看过《Star Wars》，",
        "看过《Star…》",
        "《The Empire Strikes Back》和《Star Wars》一样，都属于。",
        "喜欢科幻的您，不妨看看《The Empire Strikes Back》，由。",
    ],
)
def test_a_chinese_text_that_was_cut_off_is_rejected(text: str) -> None:
    assert "ending" in broken_rules(text, ZH)


@pytest.mark.parametrize(
    "text",
    [
        "“The Empire Strikes Back” is a sci-fi film from 1980.",
        "More sci-fi? “Star Wars”!",
        "The sci-fi that you are in the mood for.",
        "Try “The Empire Strikes Back.”",
    ],
)
def test_an_english_sentence_is_complete(text: str) -> None:
    assert "ending" not in broken_rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "“The Empire Strikes Back” is a",
        "Because you liked “Star Wars”, try",
        "“The Empire Strikes Back” is a sci-fi",
        "“The Empire Strikes Back” is a.",
        "Because you liked “Star…”",
    ],
)
def test_an_english_text_that_was_cut_off_is_rejected(text: str) -> None:
    assert "ending" in broken_rules(text)


def test_the_title_of_a_row_needs_no_full_stop() -> None:
    assert "ending" not in broken_rules("因为您喜欢《Star Wars》", TITLE_ZH)
    assert "ending" not in broken_rules("更多科幻与战争", TITLE_ZH)
    assert "ending" not in broken_rules("深受大家欢迎", TITLE_ZH)
    assert "ending" not in broken_rules("Because You Liked “Star Wars”", TITLE_EN)


@pytest.mark.parametrize("text", ["因为您喜欢", "更多科幻和", "与《Star Wars》一样，", "都属于"])
def test_the_title_of_a_row_may_be_cut_off_too(text: str) -> None:
    assert "ending" in broken_rules(text, TITLE_ZH)


def test_an_english_title_may_be_cut_off_too() -> None:
    assert "ending" in broken_rules("Because You Liked the", TITLE_EN)
    assert "ending" in broken_rules("More Sci-Fi and", TITLE_EN)
