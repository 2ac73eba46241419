"""The rule on attribution: of a known item, a text says only what the reason says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copywriter.brief import BriefAttribute, BriefReason, SharedFact
from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

NEAR = replace(FILM, reason=BriefReason(nearest=("Alien (1979)",)))
GENRE = BriefAttribute(name="genre", values=("Sci-Fi",))
SHARED = replace(FILM, reason=BriefReason(nearest=("Alien (1979)",), shared=(GENRE,)))
DIRECTOR = SharedFact(title="Alien (1979)", relation="director", name="Irvin Kershner")
FACT = replace(FILM, reason=BriefReason(nearest=("Alien (1979)",), facts=(DIRECTOR,)))


@pytest.mark.parametrize(
    "text",
    [
        "Because you liked “Alien”: sci-fi by Irvin Kershner.",
        "After “Alien”, try this sci-fi film.",
        "Fans of “Alien” may enjoy this sci-fi film.",
        "Close to “Alien”: sci-fi.",
        "“Alien” is in your history.",
        "If “Alien” is your kind of film, give “The Empire Strikes Back” a try.",
    ],
)
def test_a_known_item_may_be_why(text: str) -> None:
    assert "attribution" not in broken_rules(text, NEAR)


@pytest.mark.parametrize(
    "text",
    [
        "“Alien” is a sci-fi film.",
        "“Alien” is great.",
        "Because you liked “Alien”, directed by Irvin Kershner.",
        "Because you liked the sci-fi of Irvin Kershner's “Alien”.",
        "Like “Alien”, this is sci-fi.",
        "This one and “Alien” are both sci-fi.",
        "The director of “Alien” is back.",
        "From the same director.",
        "It shares its cast with “Alien”.",
        "You know Irvin Kershner from “Alien”.",
        "After “Alien”, Irvin Kershner returns.",
        "Both films have Irvin Kershner.",
        "A sci-fi film, with “Alien”.",
        "“The Empire Strikes Back”, an “Alien” story.",
    ],
)
def test_what_the_reason_does_not_share_is_not_said_of_it(text: str) -> None:
    assert "attribution" in broken_rules(text, NEAR)


def test_what_is_shared_may_be_said_of_both() -> None:
    assert "attribution" not in broken_rules("Like “Alien”, this is sci-fi.", SHARED)
    assert "attribution" in broken_rules("Like “Alien”, this is a war film.", SHARED)
    assert "attribution" not in broken_rules("Both are by the director of “Alien”.", FACT)
    assert "attribution" not in broken_rules("Irvin Kershner directed “Alien” too.", FACT)
    assert "attribution" not in broken_rules("You know Irvin Kershner from “Alien”.", FACT)
    assert "attribution" not in broken_rules("Both films have Irvin Kershner.", FACT)
    assert "attribution" in broken_rules("It shares a writer with “Alien”.", FACT)


def test_companies_are_makers_too() -> None:
    made = SharedFact(title="Alien (1979)", relation="production_companies", name="Silver Films")
    brief = replace(FILM, reason=BriefReason(nearest=("Alien (1979)",), facts=(made,)))
    assert "attribution" not in broken_rules("From the makers of “Alien”.", brief)
    assert "attribution" in broken_rules("From the makers of “Alien”.", NEAR)


def test_it_reads_chinese() -> None:
    near, shared = replace(NEAR, language="zh"), replace(SHARED, language="zh")
    assert "attribution" not in broken_rules("因为你看过《Alien》，推荐这部科幻片。", near)
    assert "attribution" in broken_rules("《Alien》由Irvin Kershner执导。", near)
    assert "attribution" in broken_rules("《Alien》和这部都是科幻片。", near)
    assert "attribution" in broken_rules("两部片都有Irvin Kershner。", near)
    assert "attribution" in broken_rules("与《Alien》出自同一位导演。", near)
    assert "attribution" not in broken_rules("《Alien》和这部都是科幻片。", shared)
