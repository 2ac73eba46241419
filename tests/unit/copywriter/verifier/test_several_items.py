"""The rule on attribution, for several items: what one of them has is not said of another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copywriter.brief import Brief, BriefAttribute, BriefFact, BriefItem, BriefReason
from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

HEAT = BriefItem(
    title="Heat (1995)",
    attributes=(BriefAttribute(name="genre", values=("Crime", "Thriller")),),
    facts=(
        BriefFact(relation="director", name="Michael Stone"),
        BriefFact(relation="cast", name="Al Moreno"),
    ),
)
JAWS = BriefItem(
    title="Jaws (1975)",
    attributes=(BriefAttribute(name="genre", values=("Thriller", "Horror")),),
)
PARAGRAPH = replace(
    FILM,
    kind="newsletter",
    items=(*FILM.items, HEAT, JAWS),
    reason=BriefReason(nearest=("Alien (1979)",)),
)
ZH = replace(PARAGRAPH, language="zh")


@pytest.mark.parametrize(
    "text",
    [
        "“The Empire Strikes Back”, sci-fi, and “Heat”, crime.",
        "The sci-fi film “The Empire Strikes Back” (1980) and the thriller “Heat” (1995).",
        "Watch the crime film “Heat” or the horror film “Jaws”.",
        "“Heat” and “Jaws” are thrillers.",
        "Both are thrillers: “Heat” and “Jaws”.",
        "“Heat” is a thriller with Al Moreno. Michael Stone directed it.",
        "In the mood for crime? Watch “Heat”. For horror, take “Jaws”.",
        "Directed by Michael Stone, “Heat” is crime, and “Jaws” is horror.",
        "Because “Alien” caught your eye: “Heat”, a film of the 1990s.",
        "You liked “Alien”, so we picked “Heat”, by Michael Stone, and “Jaws”, horror.",
    ],
)
def test_each_item_has_its_own_facts(text: str) -> None:
    assert "attribution" not in broken_rules(text, PARAGRAPH)


@pytest.mark.parametrize(
    "text",
    [
        "“Heat” is a sci-fi film.",
        "“Heat”, directed by Irvin Kershner, and “Jaws”.",
        "From Irvin Kershner comes “Heat”.",
        "“Heat” (1980) and “Jaws” (1975).",
        "“Heat”, a film of the 1970s.",
        "“Heat” and “The Empire Strikes Back” are crime films.",
        "“The Empire Strikes Back”, “Heat”, and “Jaws”: three thrillers.",
        "“Heat” and “Jaws” have Al Moreno.",
        "“Jaws” is worth a look. It stars Carrie Fisher.",
        "In the mood for sci-fi? Watch “Heat”.",
        "All of it close to “Alien”: “Heat” and “Jaws”.",
        "Thrillers for a quiet evening. “Heat” and “The Empire Strikes Back”.",
    ],
)
def test_what_another_item_has_is_rejected(text: str) -> None:
    assert "attribution" in broken_rules(text, PARAGRAPH)


def test_it_reads_chinese() -> None:
    assert "attribution" not in broken_rules("《Heat》，犯罪；《Jaws》，恐怖。", ZH)
    assert "attribution" not in broken_rules("《Heat》和《Jaws》都是惊悚片。", ZH)
    assert "attribution" not in broken_rules("Michael Stone执导的《Heat》，以及《Jaws》。", ZH)
    assert "attribution" not in broken_rules("1995年的《Heat》，1975年的《Jaws》。", ZH)
    assert "attribution" in broken_rules("《Heat》是科幻片。", ZH)
    assert "attribution" in broken_rules("《Heat》和《Jaws》都是犯罪片。", ZH)
    assert "attribution" in broken_rules("Michael Stone执导的《Jaws》。", ZH)
    assert "attribution" in broken_rules("《Heat》和《Jaws》，都与《Alien》风格相近。", ZH)


def test_readers_may_like_what_not_every_item_has() -> None:
    brief: Brief = replace(PARAGRAPH, audience=BriefAttribute(name="genre", values=("Crime",)))
    text = "“Jaws” (1975), horror. For fans of crime."
    assert "attribution" not in broken_rules(text, brief)
    assert "attribution" in broken_rules(text, PARAGRAPH)


def test_one_of_two_items_of_the_same_title_is_enough() -> None:
    twin = replace(HEAT, attributes=(), facts=())
    text = "“Heat” (1995), crime; and “Heat” (1995)."
    assert "attribution" not in broken_rules(text, replace(PARAGRAPH, items=(HEAT, twin)))
