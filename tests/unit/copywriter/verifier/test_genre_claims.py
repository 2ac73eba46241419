"""The rule on genres: a text claims only those that a value of the brief supports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copywriter.brief import BriefAttribute
from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")


@pytest.mark.parametrize(
    "text", ["Science fiction and war.", "Action, and more sci-fi.", "Wartime action."]
)
def test_genres_of_the_brief_are_accepted(text: str) -> None:
    assert "genres" not in broken_rules(text)


@pytest.mark.parametrize(
    "text", ["A romantic story.", "Comedies and war.", "A noir.", "A scary one."]
)
def test_other_genres_are_rejected(text: str) -> None:
    assert "genres" in broken_rules(text)


def test_a_title_does_not_make_a_genre() -> None:
    brief = replace(FILM, items=(replace(FILM.items[0], title="Horror Express (1972)"),))
    assert "genres" not in broken_rules("“Horror Express” is sci-fi.", brief)
    assert "genres" in broken_rules("“Horror Express” is horror.", brief)


def test_genres_are_read_in_both_languages() -> None:
    assert "genres" not in broken_rules("科幻与战争。", ZH)
    assert "genres" in broken_rules("浪漫的科幻片。", ZH)
    item = replace(FILM.items[0], attributes=(BriefAttribute(name="类型", values=("喜剧",)),))
    assert "genres" not in broken_rules("A comedy.", replace(FILM, items=(item,)))


@pytest.mark.parametrize("value", ["Children", "Children's"])
def test_both_names_of_films_for_children_are_known(value: str) -> None:
    """MovieLens called the genre Children's, and Children since."""
    genre = BriefAttribute(name="genre", values=(value, "Comedy"))
    brief = replace(FILM, items=(replace(FILM.items[0], attributes=(genre,)),))
    assert "genres" not in broken_rules("A children's comedy.", brief)
    assert "genres" not in broken_rules("Comedy for children.", brief)
    assert "genres" not in broken_rules("儿童、喜剧片。", replace(brief, language="zh"))
    assert "genres" in broken_rules("Comedy for children.")
