"""The rule on numbers: years, counts and amounts that the brief does not have are rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")


@pytest.mark.parametrize(
    "text",
    [
        "Sci-fi from 1980.",
        "“Star Wars” (1977) comes close.",
        "Close to two titles of yours.",
        "Half sci-fi, half war.",
    ],
)
def test_numbers_of_the_brief_are_accepted(text: str) -> None:
    assert "numbers" not in broken_rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sci-fi from 1983.",
        "Sci-fi from 1977.",  # the year of another film
        "“Star Wars” (1980) comes close.",
        "Seen by 1,980,000 people.",
        "Five directors made it.",
        "Dozens of ships.",
        "The second of its kind.",
        "90% sci-fi.",
        "Half of it is sci-fi.",
    ],
)
def test_other_numbers_are_rejected(text: str) -> None:
    assert "numbers" in broken_rules(text)


def test_numbers_in_chinese_words_are_counted_too() -> None:
    assert "numbers" not in broken_rules("与两部科幻片相近。", ZH)
    assert "numbers" in broken_rules("五部科幻片之一。", ZH)
    assert "numbers" in broken_rules("第三部科幻片。", ZH)
