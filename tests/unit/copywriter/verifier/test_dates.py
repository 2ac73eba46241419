"""The rule on dates: months, decades and relative times need a year or word of the brief."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")


@pytest.mark.parametrize(
    "text", ["Sci-fi of the 1980s.", "Sci-fi of the eighties.", "War in the '80s."]
)
def test_the_decade_of_the_items_year_is_accepted(text: str) -> None:
    assert "dates" not in broken_rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sci-fi of the 1970s.",
        "Sci-fi of the nineties.",
        "War in the '70s.",
        "Out since last month.",
        "Released on May 21.",
        "Sci-fi every Friday.",
        "Made decades ago.",
        "Sci-fi of the 19th century.",
        "A recent war story.",
    ],
)
def test_other_times_are_rejected(text: str) -> None:
    assert "dates" in broken_rules(text)


@pytest.mark.parametrize(
    "text", ["70年代的科幻片。", "去年的科幻片。", "五月上映的科幻片。", "最近的科幻片。"]
)
def test_other_times_in_chinese_are_rejected(text: str) -> None:
    assert "dates" in broken_rules(text, ZH)


def test_the_decade_in_chinese_is_accepted() -> None:
    assert "dates" not in broken_rules("80年代的科幻片。", ZH)
