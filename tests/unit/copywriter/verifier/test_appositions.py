"""What stands right before or after a title is said of that title."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copywriter.brief import BriefAttribute, BriefReason, SharedFact
from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

NEAR = replace(FILM, reason=BriefReason(nearest=("Alien (1979)",)))
GENRE = BriefAttribute(name="genre", values=("Sci-Fi",))
DIRECTOR = SharedFact(title="Alien (1979)", relation="director", name="Irvin Kershner")
SHARED = replace(
    FILM, reason=BriefReason(nearest=("Alien (1979)",), shared=(GENRE,), facts=(DIRECTOR,))
)
FOR_CRIME = replace(
    FILM, reason=None, audience=BriefAttribute(name="genre", values=("Crime",)), kind="item_blurb"
)
CHINESE = (
    "动作、科幻片《Alien》之后。",
    "科幻《Alien》之后。",
    "喜欢科幻题材的《Alien》的话，不妨看看这部电影。",
    "看过1980年的《Alien》，再来一部。",
    "看过Irvin Kershner执导的《Alien》，再来一部。",
    "看过《Alien》这部科幻片，再来一部。",
    "看过《Alien》（科幻），再来一部。",
)
ENGLISH = (
    "You liked the sci-fi film “Alien”: try this.",
    "You liked the sci-fi and war film “Alien”: try this.",
    "After the sci-fi “Alien”, try this.",
    "You liked Irvin Kershner's “Alien”. Try this.",
    "You liked “Alien” (sci-fi). Try this.",
    "You liked the sci-fi film Alien: try this.",
)


@pytest.mark.parametrize("text", CHINESE)
def test_chinese_values_next_to_a_known_title(text: str) -> None:
    """A small model wrote the item's genres before the title of the film that the reader knows."""
    assert "attribution" in broken_rules(text, replace(NEAR, language="zh"))


@pytest.mark.parametrize("text", ENGLISH)
def test_english_values_next_to_a_known_title(text: str) -> None:
    assert "attribution" in broken_rules(text, NEAR)


@pytest.mark.parametrize(
    "text",
    [
        "科幻片《Alien》之后。",
        "看过科幻片《Alien》，再来一部。",
        "看过Irvin Kershner执导的《Alien》，再来一部。",
        "看过《Alien》这部科幻片，再来一部。",
    ],
)
def test_what_is_shared_may_stand_next_to_it(text: str) -> None:
    brief = replace(SHARED, language="zh")
    assert "attribution" not in broken_rules(text, brief)
    assert "attribution" in broken_rules("动作片《Alien》之后。", brief)


def test_what_is_shared_may_stand_next_to_it_in_english() -> None:
    assert "attribution" not in broken_rules("You liked the sci-fi film “Alien”.", SHARED)
    assert "attribution" in broken_rules("You liked the war film “Alien”.", SHARED)


@pytest.mark.parametrize(
    "text",
    [
        "看过《Alien》，不妨试试科幻、战争片《The Empire Strikes Back》。",
        "看过《Alien》，这部科幻片也值得一试。",
        "喜欢《Alien》的话，不妨看看1980年的科幻片《The Empire Strikes Back》。",
        "想看科幻？《Alien》之后，试试Irvin Kershner执导的《The Empire Strikes Back》。",
    ],
)
def test_the_items_own_values_stand_next_to_it(text: str) -> None:
    assert "attribution" not in broken_rules(text, replace(NEAR, language="zh"))


def test_the_items_own_values_stand_next_to_it_in_english() -> None:
    text = "Because you liked “Alien”: the 1980 sci-fi film “The Empire Strikes Back”."
    assert not broken_rules(text, NEAR)


def test_what_its_readers_like_is_not_said_of_the_item() -> None:
    assert "attribution" in broken_rules("The crime film “The Empire Strikes Back”.", FOR_CRIME)
    chinese = replace(FOR_CRIME, language="zh")
    assert "attribution" in broken_rules("犯罪片《The Empire Strikes Back》。", chinese)
    text = "《The Empire Strikes Back》：适合喜欢犯罪的您。"
    assert "attribution" not in broken_rules(text, chinese)
