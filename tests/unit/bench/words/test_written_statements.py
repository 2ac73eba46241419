"""The program that looks up an English line finds what the data does not have."""

from __future__ import annotations

import pytest

from bench.words.film_facts import FilmFacts
from bench.words.written_statements import statements_of

FILM = FilmFacts(film_id="1", title="Heat (1995)", genres=("Action", "Crime"), year=1995)
NEAR = FilmFacts(film_id="2", title="Alien (1979)", genres=("Action", "Sci-Fi"), year=1979)


@pytest.mark.parametrize(
    ("text", "num", "wrong"),
    [
        ("“Heat” is a crime film from 1995.", 2, ()),
        ("“Heat” is a sci-fi film from 1979.", 2, ("sci-fi", "1979")),
        ("Like “Alien”, “Heat” is an action film.", 1, ()),
        ("Like “Alien”, “Heat” is a crime film.", 1, ("crime",)),
        ("You liked the action and crime film “Alien”. Try “Heat”.", 2, ("crime",)),
        ("After the sci-fi “Alien”, try the 1995 crime film “Heat”.", 3, ()),
        ("You liked “Alien”, so try the crime film “Heat”.", 1, ()),
        ("More crime: “Heat”, after “Alien”.", 1, ()),
    ],
)
def test_a_statement_is_looked_up(text: str, num: int, wrong: tuple[str, ...]) -> None:
    read = statements_of(text, FILM, NEAR)
    assert (read.num, read.wrong) == (num, wrong)
