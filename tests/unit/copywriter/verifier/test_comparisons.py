"""The rule on comparisons: nothing is better, best or first, since no brief compares."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copywriter.brief import BriefReason
from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")
POPULAR = replace(FILM, reason=BriefReason(popular_among="everyone"))


@pytest.mark.parametrize(
    "text",
    [
        "Better than “Star Wars”.",
        "The best sci-fi.",
        "The most popular sci-fi.",
        "More gripping than “Alien”.",
        "The greatest war story of all time.",
        "The scariest war.",
        "A unique war story.",
        "Your new favourite.",
        "It outshines “Star Wars”.",
        "Number one in sci-fi.",
        "The loudest war.",
        "A step up from “Alien”.",
    ],
)
def test_comparisons_are_rejected(text: str) -> None:
    assert "comparisons" in broken_rules(text)
    assert "comparisons" in broken_rules(text, POPULAR)


@pytest.mark.parametrize(
    "text",
    ["More sci-fi and war.", "Sci-fi in the forest.", "Most of it is war.", "Of interest for war."],
)
def test_ordinary_words_are_no_comparison(text: str) -> None:
    assert "comparisons" not in broken_rules(text)


def test_one_of_the_most_popular_needs_a_popular_item() -> None:
    text = "Among the most popular sci-fi."
    assert "comparisons" in broken_rules(text)
    assert "comparisons" not in broken_rules(text, POPULAR)


@pytest.mark.parametrize(
    "text", ["最好的科幻片。", "比《Alien》更精彩。", "史上唯一的科幻片。", "胜过《Alien》。"]
)
def test_comparisons_in_chinese_are_rejected(text: str) -> None:
    assert "comparisons" in broken_rules(text, ZH)
