"""Templates: the verifier accepts them for any brief, and they read like an editor's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from copywriter.brief import Brief, BriefItem, BriefReason, SharedFact
from copywriter.templates.template import from_template
from copywriter.verifier.check import check
from tests.unit.copywriter.made_up_briefs import FILM, HOSTILE, briefs


@given(brief=briefs())
@settings(max_examples=200, deadline=None)
def test_the_verifier_accepts_every_template(brief: Brief) -> None:
    text = from_template(brief)
    assert check(text, brief).violations == (), text
    assert from_template(brief) == text


@pytest.mark.parametrize(
    ("brief", "text"),
    [
        (FILM, "Written by George Lucas, like “Star Wars”."),
        (replace(FILM, language="zh"), "与《Star Wars》同为George Lucas编剧。"),
        (
            replace(FILM, kind="item_blurb"),
            "“The Empire Strikes Back” (1980): sci-fi, war and action. Directed by Irvin Kershner. "
            "Starring Carrie Fisher.",
        ),
        (
            replace(FILM, kind="item_blurb", language="zh"),
            "《The Empire Strikes Back》（1980），科幻、战争、动作题材。由Irvin Kershner执导。"
            "Carrie Fisher主演。",
        ),
        (replace(FILM, kind="row_title"), "More from George Lucas"),
        (replace(FILM, reason=BriefReason(new=True), kind="row_title", language="zh"), "新上架"),
        (
            replace(FILM, kind="newsletter", items=(*FILM.items, BriefItem(title="Heat (1995)"))),
            "In this edition: “The Empire Strikes Back” (1980), sci-fi and war; and “Heat” (1995). "
            "Because “Star Wars” caught your eye.",
        ),
    ],
)
def test_templates_read_like_an_editor_wrote_them(brief: Brief, text: str) -> None:
    assert from_template(brief) == text


def test_a_fact_without_a_name_is_named_by_its_role() -> None:
    fact = SharedFact(title="Star Wars (1977)", relation="film.film.directed_by")
    brief = replace(FILM, reason=BriefReason(facts=(fact,)))
    assert from_template(brief) == "From the director of “Star Wars”."


@pytest.mark.parametrize(
    ("relation", "name", "english", "chinese"),
    [
        (
            "film.film.cinematography",
            "Robert Burks",
            "With Robert Burks behind the camera, as in “Star Wars”.",
            "和《Star Wars》一样，由Robert Burks掌镜。",
        ),
        (
            "film.film.x_y",
            "Robert Burks",
            "In common with “Star Wars”: Robert Burks.",
            "与《Star Wars》的共同之处：Robert Burks。",
        ),
        (
            "film.film.starring",
            None,
            "With an actor from “Star Wars”.",
            "与《Star Wars》有相同的主演。",
        ),
    ],
)
def test_a_relation_of_the_data_reads_as_words(
    relation: str, name: str | None, english: str, chinese: str
) -> None:
    fact = SharedFact(title="Star Wars (1977)", relation=relation, name=name)
    brief = replace(FILM, reason=BriefReason(facts=(fact,)))
    assert from_template(brief) == english
    assert from_template(replace(brief, language="zh")) == chinese


def test_the_same_country_is_no_reason_to_give() -> None:
    fact = SharedFact(title="Star Wars (1977)", relation="film.film.country", name="Norway")
    reason = BriefReason(nearest=("Star Wars (1977)",), facts=(fact,))
    assert "Norway" not in from_template(replace(FILM, reason=reason))


def test_a_text_that_does_not_fit_gives_way_to_a_shorter_one() -> None:
    short = replace(FILM, max_chars=30, reason=BriefReason(nearest=("Star Wars (1977)",)))
    assert from_template(short) in ("In the spirit of “Star Wars”.", "Like “Star Wars”.")
    assert len(from_template(replace(FILM, max_chars=20))) <= 20


def test_an_item_without_any_facts_has_a_line_all_the_same() -> None:
    nothing = Brief(kind="reason_line", items=(BriefItem(title=None),), max_chars=100)
    assert from_template(nothing) in (
        "Worth a look.",
        "Have a look at this one.",
        "Something to discover.",
    )


@pytest.mark.parametrize("title", [one for one in HOSTILE if len(one) > 24])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_instruction_in_a_title_is_never_shown(title: str, language: str) -> None:
    """A shop's feed may hold any text; a line of copy must not carry it to a reader or a model."""
    item = replace(FILM.items[0], title=title)
    reason = BriefReason(nearest=(title,))
    brief = replace(FILM, items=(item,), reason=reason, language="zh" if language == "zh" else "en")
    for kind in ("reason_line", "item_blurb", "row_title", "newsletter"):
        text = from_template(replace(brief, kind=kind))
        assert title not in text or not check(text, brief).violations
        assert "nstruction" not in text
        assert "指令" not in text
        assert "prompt" not in text


def test_a_row_of_films_has_their_titles_in_chinese_marks() -> None:
    reason = BriefReason(nearest=("Star Wars (1977)",))
    row = replace(FILM, kind="row_title", items=(), reason=reason, language="zh")
    assert from_template(row) == "因为你关注过《Star Wars》"
