"""Which texts a model can write at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from copywriter.brief import Brief
from copywriter.templates.template import from_template
from copywriter.verifier.check import check
from copywriter.writing.allowed_text import allowed_text
from tests.film_briefs import film_brief
from tests.unit.copywriter.made_up_briefs import briefs

FILM = film_brief()
ZH = film_brief(language="zh")


def is_complete(text: str, brief: Brief = FILM) -> bool:
    allowed = allowed_text(brief)
    return allowed.may_end(allowed.after(allowed.start, text), text)


@pytest.mark.parametrize(
    "text",
    [
        "Blue Train is a war drama, directed by Eva Stone.",
        "Because you liked “Old Bridge”: more from Eva Stone!",
        "You liked Old Bridge. Eva Stone's dramas may suit you.",
    ],
)
def test_names_values_and_phrasing_words_make_a_text(text: str) -> None:
    assert is_complete(text)


@pytest.mark.parametrize(
    "text",
    [
        "Blue Train is a comedy.",
        "Blue Train, directed by Ann Lee.",
        "Blue Train is about a murder.",
        "Made in 1950.",
        "blue Bridge is a drama.",
        "Blue Train is a drama",
        "Blue Train is a dra",
    ],
)
def test_other_words_and_half_texts_are_not_complete(text: str) -> None:
    assert not is_complete(text)


def test_a_half_name_may_only_become_a_name_of_the_brief() -> None:
    allowed = allowed_text(FILM)
    state = allowed.after(allowed.start, "Directed by Ev")
    assert allowed.after(state, "a Stone")
    assert not allowed.after(state, "e")


def test_chinese_words_need_no_spaces() -> None:
    assert is_complete("喜欢《Old Bridge》的你，不妨试试这部剧情片。", ZH)
    assert not is_complete("这部喜剧片。", ZH)


def test_the_title_of_a_row_needs_no_full_stop() -> None:
    assert is_complete("More drama for you", replace(FILM, kind="row_title"))


@given(briefs())
def test_a_name_that_may_not_be_quoted_cannot_be_written(brief: Brief) -> None:
    """A model cannot follow an instruction in a title by repeating it."""
    for item in brief.items:
        text = f"Try {item.title}."
        if "Ignore all" in text:
            assert not is_complete(text, brief)
            assert not check(text, brief).is_accepted
    assert from_template(brief)
