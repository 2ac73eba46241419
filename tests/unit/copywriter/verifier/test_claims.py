"""The rule on claims: popular, new, prizes, and what the reader did need a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copywriter.brief import BriefAttribute, BriefReason
from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

NOBODY = replace(FILM, reason=None)
POPULAR = replace(FILM, reason=BriefReason(popular_among="everyone"))
NEW = replace(FILM, reason=BriefReason(new=True))
ZH = replace(FILM, language="zh")


def test_popular_and_new_need_the_reason() -> None:
    assert "claims" in broken_rules("A popular sci-fi film.")
    assert "claims" not in broken_rules("A popular sci-fi film.", POPULAR)
    assert "claims" in broken_rules("A new sci-fi film.", POPULAR)
    assert "claims" not in broken_rules("A new sci-fi film.", NEW)


@pytest.mark.parametrize(
    "text",
    ["Because you watched sci-fi.", "You loved war, so here it is.", "It fits your history."],
)
def test_what_nobody_did_is_not_claimed(text: str) -> None:
    assert "claims" in broken_rules(text, NOBODY)
    assert "claims" not in broken_rules(text)


def test_a_condition_claims_nothing() -> None:
    assert "claims" not in broken_rules("For you, if you liked war.", NOBODY)


@pytest.mark.parametrize(
    "text",
    [
        "An award-winning film.",
        "A critically acclaimed film.",
        "Now free.",
        "A sequel.",
        "A true story.",
    ],
)
def test_what_no_fact_says_is_rejected(text: str) -> None:
    assert "claims" in broken_rules(text)


@pytest.mark.parametrize("text", ["获奖科幻片。", "热门科幻片。", "全新科幻片。", "限时优惠。"])
def test_claims_in_chinese_are_rejected(text: str) -> None:
    assert "claims" in broken_rules(text, ZH)


def test_a_recommendation_may_be_based_on_the_history() -> None:
    assert broken_rules("We recommend this sci-fi film based on “Alien”.") == set()
    assert "claims" in broken_rules("This sci-fi film is based on “Alien”.")
    assert "claims" in broken_rules("We recommend this sci-fi film based on a novel.")


def test_a_film_is_not_called_a_book() -> None:
    """A small model wrote "“Air Force One” is a film novel by the same name"."""
    assert "claims" in broken_rules("A sci-fi novel.")
    assert "claims" in broken_rules("A sci-fi film by the same name.")
    assert "claims" in broken_rules("这本科幻小说。", ZH)
    author = BriefAttribute(name="author", values=("Ann Lee",))
    item = replace(FILM.items[0], attributes=(*FILM.items[0].attributes, author))
    assert "claims" not in broken_rules("A sci-fi novel.", replace(FILM, items=(item,)))
