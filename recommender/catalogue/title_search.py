"""Find items by words of their titles, the beginning of the last word, and misspelt words.

Every word of a question counts ln(1 + N / n), where n of the N items have it or a word that it
matches (inverse document frequency). The score of a title is the share of the question that it
has, plus COVER times the share of its own words that were asked for. It is 1 + COVER for a title of
the same words alone.

N  items
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.arrays.best_rows import Rows, Scores
from recommender.catalogue.folded_words import ends_in_word, folded_words
from recommender.catalogue.word_index import WordIndex

MAX_WORDS = 32  # of a question; further ones don't count
MAX_COMPLETIONS = 50  # of the last word
# What a title's word is worth if it was not asked for exactly, relative to the same word.
COMPLETED, MISSPELT = 0.8, 0.7
COVER = 0.2
DECIMALS = 5  # sums in another order are the same score
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TitleScores:
    """The score of each title, NaN without a word of the question; which have just its words."""

    score_N: Scores
    is_exact_N: npt.NDArray[np.bool_]


class TitleSearch:
    """Titles of one catalogue: those of its columns, and of the rows changed or added since."""

    def __init__(
        self, unchanged: WordIndex, changed: WordIndex, *, changed_rows: Rows, num_items: int
    ) -> None:
        self._unchanged, self._changed = unchanged, changed
        self._changed_rows = changed_rows
        num_words_N = np.zeros(num_items, np.uint8)
        num_words_N[: len(unchanged.num_words_N)] = unchanged.num_words_N
        num_words_N[changed_rows] = changed.num_words_N
        self._num_words_N = num_words_N
        is_changed_N = np.zeros(num_items, np.bool_)
        is_changed_N[changed_rows] = True
        self._is_changed_N = is_changed_N

    def scores(self, text: str) -> TitleScores:
        """Score all titles; the last word of the text may be the beginning of a longer one."""
        words = list(dict.fromkeys(folded_words(text)))[:MAX_WORDS]
        num_items = len(self._num_words_N)
        sum_N, found_N = np.zeros(num_items, np.float32), np.zeros(num_items, np.float32)
        whole = 0.0
        for word in words:
            weight_N = self._weights(word, is_open=word == words[-1] and ends_in_word(text))
            num_found = int(np.count_nonzero(weight_N))
            worth = math.log1p(num_items / max(num_found, 1))
            whole += worth
            sum_N += np.float32(worth) * weight_N
            found_N += weight_N > 0
        share_N = sum_N / np.float32(whole or 1.0)
        cover_N = found_N / np.maximum(self._num_words_N, 1)
        score_N = np.round(share_N + COVER * cover_N, DECIMALS).astype(np.float32)
        score_N[found_N == 0] = np.nan
        return TitleScores(score_N=score_N, is_exact_N=score_N > 1.0 + COVER - TOLERANCE)

    def _weights(self, word: str, *, is_open: bool) -> Scores:
        """Return how well each title has one word of the question: 1 for the word itself."""
        weight_N = np.zeros(len(self._num_words_N), np.float32)
        if is_open:
            for longer in self._completions(word):
                weight_N[self._rows(longer)] = COMPLETED
        weight_N[self._rows(word)] = 1.0
        if not weight_N.any():
            for near in {*self._unchanged.near(word), *self._changed.near(word)}:
                weight_N[self._rows(near)] = MISSPELT
        return weight_N

    def _completions(self, word: str) -> list[str]:
        return [
            *self._unchanged.completions(word, limit=MAX_COMPLETIONS),
            *self._changed.completions(word, limit=MAX_COMPLETIONS),
        ]

    def _rows(self, word: str) -> npt.NDArray[np.int64]:
        """Return the rows whose titles have exactly this word."""
        unchanged = self._unchanged.rows(word)
        unchanged = unchanged[~self._is_changed_N[unchanged]]
        return np.concatenate([unchanged, self._changed_rows[self._changed.rows(word)]])
