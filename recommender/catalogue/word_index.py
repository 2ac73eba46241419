"""Which titles have a word, as arrays that a file can map.

N counts titles, V distinct words, R pairs of a word and a title.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.arrays.key_index import KeyIndex
from recommender.arrays.text_column import TextColumn
from recommender.catalogue.folded_words import folded_words

Rows = npt.NDArray[np.int32]
MAX_COUNTED_WORDS = 255
MIN_NEAR_CHARS = 4  # in shorter words another letter makes another word
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True, eq=False)
class WordIndex:
    """Titles with word w are `rows_R[starts_V1[w]:starts_V1[w + 1]]`, ascending.

    `words_V` is sorted. `num_words_N` has the number of distinct words of each title, at most 255.
    `shortened` finds words by themselves and by what is left of them without one letter.
    """

    words_V: TextColumn
    starts_V1: npt.NDArray[np.int64]
    rows_R: Rows
    num_words_N: npt.NDArray[np.uint8]
    shortened: KeyIndex

    @classmethod
    def build(cls, titles: Iterable[str | None]) -> WordIndex:
        """Index titles by their place; one that is None has no words."""
        numbers: dict[str, int] = {}
        words, rows, num_words = array("i"), array("i"), bytearray()
        for row, title in enumerate(titles):
            distinct = dict.fromkeys(folded_words(title or ""))
            words.extend(numbers.setdefault(word, len(numbers)) for word in distinct)
            rows.extend([row] * len(distinct))
            num_words.append(min(len(distinct), MAX_COUNTED_WORDS))
        ordered = sorted(numbers)
        place_V = np.empty(len(ordered), np.int32)
        place_V[[numbers[word] for word in ordered]] = np.arange(len(ordered))
        places_R = place_V[np.frombuffer(words, np.int32)]
        counts_V = np.bincount(places_R, minlength=len(ordered))
        return cls(
            words_V=TextColumn.of(ordered),
            starts_V1=np.concatenate([np.zeros(1, np.int64), counts_V.cumsum()]),
            rows_R=np.frombuffer(rows, np.int32)[np.argsort(places_R, kind="stable")],
            num_words_N=np.frombuffer(num_words, np.uint8),
            shortened=KeyIndex.of_pairs(
                (short, place) for place, word in enumerate(ordered) for short in _deletions(word)
            ),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> WordIndex:
        """Return an index from what `arrays` returned; raise KeyError or ValueError."""
        return cls(
            words_V=TextColumn.from_arrays(arrays, name),
            starts_V1=arrays[f"{name}.rows.starts"].view(np.int64),
            rows_R=arrays[f"{name}.rows"].view(np.int32),
            num_words_N=arrays[f"{name}.num_words"].view(np.uint8),
            shortened=KeyIndex.from_arrays(arrays, f"{name}.shortened"),
        )

    def arrays(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """Return the index's arrays under names that begin with `name`."""
        return {
            **self.words_V.arrays(name),
            **self.shortened.arrays(f"{name}.shortened"),
            f"{name}.rows.starts": self.starts_V1,
            f"{name}.rows": self.rows_R,
            f"{name}.num_words": self.num_words_N,
        }

    def rows(self, word: str) -> Rows:
        """Return the titles that have exactly this word."""
        place = self._first_from(word)
        if place == len(self.words_V) or self.words_V[place] != word:
            return self.rows_R[:0]
        return self.rows_R[self.starts_V1[place] : self.starts_V1[place + 1]]

    def completions(self, beginning: str, *, limit: int) -> Iterator[str]:
        """Yield longer words that begin so, at most `limit` of those in most titles."""
        first, stop = self._first_from(beginning), self._first_from(beginning + _LAST)
        count_X = np.diff(self.starts_V1[first : stop + 1])
        for place in np.argsort(-count_X, kind="stable")[: limit + 1].tolist():
            word = self._word(first + place)
            if word != beginning:
                yield word

    def near(self, word: str) -> Iterator[str]:
        """Yield the words with one letter changed, added or left out, or two neighbours swapped."""
        if len(word) < MIN_NEAR_CHARS:
            return
        places = {place for short in _deletions(word) for place in self.shortened.maybe_rows(short)}
        for place in sorted(places):
            found = self._word(place)
            if differ_in_one_letter(word, found):
                yield found

    def _first_from(self, word: str) -> int:
        return bisect_left(range(len(self.words_V)), word, key=self._word)

    def _word(self, place: int) -> str:
        return self.words_V[place] or ""


def differ_in_one_letter(one: str, other: str) -> bool:
    """Return whether one change makes a word of the other: a letter, or two neighbours swapped."""
    begin = _num_equal(one, other)
    one, other = one[begin:], other[begin:]
    end = _num_equal(one[::-1], other[::-1])
    one, other = one[: len(one) - end], other[: len(other) - end]
    if len(one) == len(other) == 2:
        return one == other[::-1]
    return (len(one), len(other)) in ((1, 1), (0, 1), (1, 0))


def _num_equal(one: str, other: str) -> int:
    """Return how many letters at the beginning are equal."""
    pairs = zip(one, other, strict=False)
    differing = (place for place, (a, b) in enumerate(pairs) if a != b)
    return next(differing, min(len(one), len(other)))


def _deletions(word: str) -> set[str]:
    """Return a word and what is left of it without one letter; none of a short word."""
    if len(word) < MIN_NEAR_CHARS - 1:
        return set()
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}
