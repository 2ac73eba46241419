"""Texts of the bench of lies: true ones are true by the data, and a changed one is not."""

from __future__ import annotations

from random import Random

from bench.words.film_facts import FilmFacts, person_name
from bench.words.film_sentences import (
    ENGLISH,
    FilmSentence,
    is_true,
    spoken_title,
    true_slots,
    true_texts,
)

EMPIRE = FilmFacts(
    film_id="172",
    title="Empire Strikes Back, The (1980)",
    year=1980,
    genres=("Sci-Fi", "War"),
    people={"director": ("Ann Lee",), "actor": ("Bo Ray",)},
)
STAR = FilmFacts(film_id="50", title="Star Wars (1977)", year=1977, genres=("Sci-Fi",))


def test_every_true_text_is_true_by_the_data() -> None:
    texts = true_texts(true_slots(EMPIRE, STAR), Random(0), "en", ENGLISH)
    assert len(texts) > 20
    assert all(is_true(sentence, EMPIRE, STAR) for sentence in texts)
    assert not any("{" in sentence.text for sentence in texts)


def test_a_changed_statement_is_a_lie() -> None:
    sentence = FilmSentence(
        wording="“{t}” is a {g} film.", slots={"t": EMPIRE.title, "g": "War"}, language="en"
    )
    assert sentence.text == "“The Empire Strikes Back” is a war film."
    assert is_true(sentence, EMPIRE, STAR)
    assert not is_true(sentence.with_value("g", "Horror"), EMPIRE, STAR)
    assert not is_true(sentence.with_value("t", STAR.title), EMPIRE, STAR)


def test_titles_are_spoken_without_brackets() -> None:
    assert spoken_title("Seven (Se7en) (1995)") == "Seven"
    assert spoken_title("Usual Suspects, The (1995)") == "The Usual Suspects"


def test_a_person_always_has_the_same_name() -> None:
    assert person_name("m.1") == person_name("m.1")
    assert person_name("m.1") != person_name("m.2")
