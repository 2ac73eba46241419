"""The rule on names: people, places and titles that the brief does not have are rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")
ROW = replace(FILM, kind="row_title")


@pytest.mark.parametrize(
    "text",
    [
        "Directed by Irvin Kershner.",
        "Kershner mixes sci-fi and war.",
        "Watch The Empire Strikes Back if you enjoyed Alien.",
        "I'd call it sci-fi.",
        "Here is George Lucas’s writing.",
    ],
)
def test_names_of_the_brief_are_accepted(text: str) -> None:
    assert "names" not in broken_rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "Directed by Andrei Tarkovsky.",
        "Tarkovsky mixes sci-fi and war.",
        "Sci-fi and war with George Kershner.",
        "Watch Blade Runner if you enjoyed Alien.",
        "A war story from Hollywood.",
        "Seen on Netflix.",
    ],
)
def test_other_names_are_rejected(text: str) -> None:
    assert "names" in broken_rules(text)


def test_a_row_may_have_a_title_in_capitals() -> None:
    assert "names" not in broken_rules("More Sci-Fi and War Stories For You", ROW)
    assert "names" in broken_rules("More Stories Like Solaris", ROW)


@pytest.mark.parametrize(
    "text", ["由张艺谋执导的科幻片。", "导演乔治·卢卡斯的科幻片。", "由Tarkovsky执导。"]
)
def test_other_names_in_chinese_are_rejected(text: str) -> None:
    assert "names" in broken_rules(text, ZH)


@pytest.mark.parametrize("text", ["由Irvin Kershner执导的科幻片。", "与《Alien》出自同一位导演。"])
def test_names_of_the_brief_in_chinese_are_accepted(text: str) -> None:
    assert "names" not in broken_rules(text, ZH)
