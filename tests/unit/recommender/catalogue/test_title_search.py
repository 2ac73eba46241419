"""Titles are found by their words, by the beginning of a word, and by misspelt words."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from recommender.arrays.mapped_arrays import map_arrays, save_arrays
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.folded_words import ends_in_word, folded_words
from recommender.catalogue.item_columns import CatalogueColumns, CatalogueItem
from recommender.catalogue.title_search import COVER
from recommender.catalogue.word_index import WordIndex, differ_in_one_letter

TITLES = (
    "Star Wars (1977)",
    "Star Trek: The Motion Picture (1979)",
    "Starship Troopers (1997)",
    "Amélie",
    "Schindler’s List (1993)",
    "List",
    None,
    "七人の侍",
)


def film(row: int, title: str | None) -> CatalogueItem:
    return CatalogueItem(item_id=f"f{row}", title=title)


@pytest.fixture(scope="module")
def films() -> Catalogue:
    return Catalogue(film(row, title) for row, title in enumerate(TITLES))


def found_rows(catalogue: Catalogue, text: str) -> list[int]:
    """Return the rows with a score, the highest first."""
    score_N = catalogue.title_search.scores(text).score_N
    return [row for row in np.argsort(-score_N, kind="stable").tolist() if score_N[row] > 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Schindler's LIST (1993)", ["schindlers", "list", "1993"]),
        ("Le fabuleux destin d’Amélie", ["le", "fabuleux", "destin", "damelie"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("七人の侍 part_2", ["七", "人", "の", "侍", "part", "2"]),
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("ภาษาไทย", ["ภาษาไทย"]),
        ("ガンダム カ", [*unicodedata.normalize("NFKD", "ガ ン ダ ム カ").split(" ")]),
        ("Łódź, Ærøskøbing", ["lodz", "aeroskobing"]),
        ("Ёлка ἄνθρωπος", ["елка", "ανθρωποσ"]),
        ("שָׁלוֹם مُحَمَّد", ["שלום", "محمد"]),
        ("?!… _ 🎬", []),
        ("a" * 60, ["a" * 40]),
    ],
)
def test_words_ignore_case_accents_and_apostrophes(text: str, words: list[str]) -> None:
    assert folded_words(text) == words


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("star wars", [0, 1]),
        ("WARS star 1977", [0, 1]),
        ("star", [0, 1, 2]),  # the word itself before a longer one; a shorter title first
        ("star ", [0, 1]),  # the word is finished
        ("star w", [0, 1]),
        ("starsh", [2]),
        ("amelie", [3]),
        ("amellie", [3]),
        ("trooprs", [2]),
        ("wras", [0]),
        ("list", [5, 4]),
        ("侍", [7]),
        ("zzz", []),
        ("!", []),
        ("wa x", []),
    ],
)
def test_titles_are_found_by_their_words(films: Catalogue, text: str, rows: list[int]) -> None:
    assert found_rows(films, text) == rows


def test_a_title_of_just_these_words_is_exact(films: Catalogue) -> None:
    for text, exact in (("list", [5]), ("wars STAR 1977", [0]), ("star wars", []), ("lis", [])):
        scores = films.title_search.scores(text)
        assert np.flatnonzero(scores.is_exact_N).tolist() == exact
    assert films.title_search.scores("list").score_N[5] == pytest.approx(1 + COVER)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("wars", "wasr", True), ("wars", "war", True), ("wars", "warts", True),
        ("wars", "bars", True), ("wars", "wars", False), ("wars", "raws", False),
        ("wars", "stars", False), ("aaaa", "aaa", True), ("wars", "ward s", False),
    ],
)  # fmt: skip
def test_one_letter_makes_the_difference(one: str, other: str, expected: bool) -> None:
    assert differ_in_one_letter(one, other) is expected
    assert differ_in_one_letter(other, one) is expected


def test_a_changed_title_is_found_by_its_new_words(films: Catalogue) -> None:
    changed, rows = films.with_items([film(1, "Stars at Noon"), film(99, "Noon")])
    assert rows == (1, 8)
    assert found_rows(changed, "trek") == []
    assert found_rows(changed, "noon") == [8, 1]
    assert found_rows(changed, "star") == [0, 1, 2]
    assert found_rows(changed, "noom") == [8, 1]


def test_a_saved_catalogue_finds_the_same(films: Catalogue, tmp_path: Path) -> None:
    films.save(tmp_path)
    loaded = Catalogue.load(tmp_path)
    for text in ("star", "starsh", "amellie", "list 1993"):
        assert found_rows(loaded, text) == found_rows(films, text)


def test_a_small_file_without_the_index_is_indexed(films: Catalogue, tmp_path: Path) -> None:
    films.save(tmp_path)
    (file,) = tmp_path.iterdir()
    arrays = map_arrays(file)
    kept = {name: array for name, array in arrays.items() if not name.startswith("title_words")}
    assert len(kept) < len(arrays)
    save_arrays(kept, file)
    assert found_rows(Catalogue.load(tmp_path), "starsh") == [2]
    large = CatalogueColumns.map(file, max_late_titles=len(TITLES) - 1)
    assert len(large.word_index.rows("starship")) == 0
    assert len(large.word_index.num_words_N) == len(TITLES)


def test_an_empty_catalogue_has_no_words() -> None:
    assert found_rows(Catalogue(), "star") == []
    assert list(WordIndex.build([]).completions("s", limit=3)) == []


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        ("star", True),
        ("star 2", True),
        ("हिन्दी", True),
        ("star ", False),
        ("star!", False),
        ("", False),
    ],
)
def test_a_word_at_the_end_may_be_unfinished(text: str, is_open: bool) -> None:
    assert ends_in_word(text) == is_open


def test_completions_are_those_of_most_titles() -> None:
    index = WordIndex.build(["stone", "star", "stars star", "sta"])
    assert list(index.completions("sta", limit=1)) == ["star"]
    assert list(index.completions("sta", limit=9)) == ["star", "stars"]
