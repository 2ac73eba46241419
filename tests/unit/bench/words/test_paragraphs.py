"""Paragraphs about two films: a lie gives a film what only the other one has."""

from __future__ import annotations

from random import Random

import pytest

from bench.words.film_facts import FilmFacts
from bench.words.paragraphs import measure_paragraphs
from copywriter.brief import Language

GENRES = {"heat": ("Crime", "Thriller"), "blue": ("Comedy",), "moon": ("Sci-Fi",)}
FILMS = {
    name: FilmFacts(
        film_id=name,
        title=f"{name.title()} River ({1980 + number})",
        year=1980 + number,
        genres=genres,
        people={"director": (f"Ann {name.title()}son",), "actor": (f"Bob {name.title()}man",)},
    )
    for number, (name, genres) in enumerate(GENRES.items())
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_fact_of_the_other_film_is_caught(language: Language) -> None:
    rows = measure_paragraphs(FILMS, 10, language, Random(0))
    values = {row.metric.partition(": ")[2]: row.value for row in rows}
    assert values["true ones kept"] == 100
    assert values["lies caught"] == 100
    assert {"caught, the other film's actor", "caught, titles exchanged"} <= values.keys()
