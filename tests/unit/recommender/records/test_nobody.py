"""The words for a missing id."""

from __future__ import annotations

import pytest

from recommender.records.nobody import NOBODY, PERHAPS_NOBODY, is_nobody


@pytest.mark.parametrize(
    "word",
    [
        "NA",
        "<NA>",
        "null",
        "NULL",
        "undefined",
        "N/A",
        "none",
        "None",
        "NaN",
        "nan",
        r"\N",
        " null ",
    ],
)
def test_a_word_for_nobody_is_recognised_in_any_case(word: str) -> None:
    assert is_nobody(word)


@pytest.mark.parametrize("word", ["", "0", "Nancy", "nulls", "n", "-1", "unknown"])
def test_other_words_are_ids(word: str) -> None:
    assert not is_nobody(word)


def test_the_words_are_in_lower_case() -> None:
    assert all(word == word.casefold().strip() for word in NOBODY | PERHAPS_NOBODY)
    assert not NOBODY & PERHAPS_NOBODY
