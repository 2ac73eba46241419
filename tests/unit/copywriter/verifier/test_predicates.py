"""The rule on predicates: what an item does to people or stands for is no fact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM


@pytest.mark.parametrize(
    "text",
    [
        "“The Empire Strikes Back” brings you sci-fi and war, like “Star Wars”.",
        "“The Empire Strikes Back” stars Carrie Fisher, and Irvin Kershner directed it.",
        "Not in the mood for sci-fi? “The Empire Strikes Back” might change that.",
        "Sci-fi fans will find what they like in “The Empire Strikes Back”.",
        "If “Star Wars” stayed with you, try “The Empire Strikes Back”.",
        "It is all about sci-fi, and it was made in 1980.",
        "Sit back and enjoy sci-fi by Irvin Kershner, who directed it.",
        "A pick for those who enjoyed “Star Wars”.",
        "Did “Star Wars” speak to you? Try “The Empire Strikes Back”.",
    ],
)
def test_a_fact_of_the_brief_is_accepted(text: str) -> None:
    assert "predicates" not in broken_rules(text)


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("“The Empire Strikes Back” is making a name for itself in sci-fi.", "standing"),
        ("“The Empire Strikes Back” is a big part of the sci-fi genre.", "standing"),
        ("“The Empire Strikes Back” is what sci-fi is all about.", "standing"),
        ("“The Empire Strikes Back” is known for its sci-fi.", "reception"),
        ("A sci-fi film that will surprise viewers.", "effect"),
        ("Sci-fi fans still talk about “The Empire Strikes Back”.", "reception"),
        ("Fans of sci-fi keep coming back to “The Empire Strikes Back”.", "reception"),
        ("“The Empire Strikes Back” will surprise sci-fi fans.", "effect"),
        ("“The Empire Strikes Back” takes its time with sci-fi.", "manner"),
        ("Irvin Kershner made it with love.", "manner"),
        ("Carrie Fisher gives everything in this sci-fi film.", "manner"),
        ("Sci-fi fans turn to “The Empire Strikes Back” again and again.", "reception"),
        ("“The Empire Strikes Back” keeps you thinking about sci-fi.", "effect"),
        ("Sci-fi needs “The Empire Strikes Back”.", "standing"),
    ],
)
def test_a_remark_that_no_brief_has_is_rejected(text: str, remark: str) -> None:
    assert "predicates" in broken_rules(text), remark


def test_chinese_has_no_such_rule() -> None:
    """Its list of phrases is short enough."""
    assert "predicates" not in broken_rules("它让人难忘。", replace(FILM, language="zh"))
