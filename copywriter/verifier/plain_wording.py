"""The rule on wording: beside the brief's words, a text uses words that only phrase.

A list of what is forbidden never ends: plots, places, characters, praise. So this rule knows what
is allowed, and a text that uses another word is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.verifier.names_of_brief import LATIN_WORD
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording import phrasing_chinese, phrasing_english
from copywriter.wording.genres import GENRES, genres_in

_NAME = re.compile(f"[{MASKS}]+(?:['’]s\\b)?")
_NUMBER = re.compile(r"['’]?\d[\d.,]*s?(?:年代|年)?")  # the rules on numbers and dates
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_STORY_OF = re.compile(
    r"\b(?:stor(?:y|ies)|tales?) (?:of|about)\b(?P<what>[^.,;:!?]*)", re.IGNORECASE
)
_BEGINS = 3  # words in which what a story is of has to be named
_LONGEST = 8  # characters of a Chinese phrase


def wording(reading: CopyReading) -> Sequence[Violation]:
    """Return the words that are neither the brief's nor only phrase what it has."""
    is_chinese = reading.brief.language == "zh"
    found = [*_han(reading)] if is_chinese else [*_latin(reading), *_plots(reading)]
    return [Violation(rule="wording", words=one) for one in dict.fromkeys(found)]


def _latin(reading: CopyReading) -> Iterator[str]:
    allowed, text = phrasing_english.phrasing_words(), _without_facts(reading)
    values = reading.of_brief.value_words
    for word in LATIN_WORD.findall(phrasing_english.phrasing_phrases().sub(" ", text)):
        plain = word.lower().replace("’", "'")
        parts = plain.removesuffix("'s").split("-")
        if plain not in allowed and not all(part in allowed or part in values for part in parts):
            yield word  # also a part of a title, which would say nothing by the other rules


def _plots(reading: CopyReading) -> Iterator[str]:
    """Yield what a story is of, if it is nothing of the brief: "a story of the world's end"."""
    for found in _STORY_OF.finditer(reading.masked):
        begins = " ".join(found["what"].split()[:_BEGINS])
        if _NAME.search(begins) is None and not genres_in(begins):
            yield reading.unmask(found[0])


def _han(reading: CopyReading) -> Iterator[str]:
    allowed = phrasing_chinese.phrasing_words()
    for run in _HAN.findall(_without_facts(reading)):
        if run not in reading.of_brief.value_words and not _is_divisible(run, allowed):
            yield run


def _is_divisible(run: str, words: frozenset[str]) -> bool:
    """Return whether a run of Chinese is a sequence of these words."""
    reached = {0}
    for start in range(len(run)):
        if start in reached:
            ends = range(start + 1, min(start + _LONGEST, len(run)) + 1)
            reached |= {end for end in ends if run[start:end] in words}
    return len(run) in reached


def _without_facts(reading: CopyReading) -> str:
    """Return the text without names, numbers and genres, which have rules of their own."""
    text = _NUMBER.sub(" ", _NAME.sub(" ", reading.masked))
    for genre in GENRES:
        text = genre.words.sub(" ", text)
    return text
