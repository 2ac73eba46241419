"""The rule on names: a capitalised word is in the brief, or an ordinary first word.

Chinese names have no capitals: names with dots inside, and those next to a role, are looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.verifier.names_of_brief import LATIN_WORD
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.ordinary_words import ordinary_words
from copywriter.wording.phrasing_english import phrasing_words

_MONTHS_AND_DAYS = frozenset(
    (
        *("january", "february", "march", "april", "june", "july", "august"),
        *("september", "october", "november", "december"),
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    )
)
_BEFORE_START = frozenset("“\"‘'(:—–-•")
_HAN_DOTTED = re.compile(r"[\u4e00-\u9fff]{1,8}(?:[·•][\u4e00-\u9fff]{1,8})+")
_HAN_CREDIT = re.compile(
    r"(?:导演|编剧|主演|作者|由|作曲)(?:是|为)?([\u4e00-\u9fff·]{2,8}?)"
    r"(?:执导|主演|导演|编剧|出演|作曲|的作品|[，。、！])"
)
_HAN_NOT_NAMES = re.compile(r"^(?:的|同一|这位|这|该|一位|同样|他|她|两位|相同|原班|知|和|与)")


def names(reading: CopyReading) -> Sequence[Violation]:
    """Return the names that the brief does not have."""
    found = [*_latin(reading), *_han(reading)]
    return [Violation(rule="names", words=one) for one in dict.fromkeys(found)]


def _latin(reading: CopyReading) -> Iterator[str]:
    """Yield runs of capitalised words that are not part of a string of the brief."""
    strings = [one.lower() for one in reading.of_brief.strings]
    is_title_case = reading.brief.kind == "row_title"
    for sentence in reading.sentences:
        run: list[str] = []
        end = -1
        for word in LATIN_WORD.finditer(sentence):
            if not _is_name(word, sentence, is_title_case=is_title_case):
                continue
            if run and sentence[end : word.start()] != " ":
                yield from _unsupported_name(run, strings)
                run = []
            run.append(word[0])
            end = word.end()
        yield from _unsupported_name(run, strings)


def _is_name(word: re.Match[str], sentence: str, *, is_title_case: bool) -> bool:
    text = word[0]
    if not text[0].isupper() or text == "I" or text[:2] in ("I'", "I’"):
        return False
    lower = text.lower().removesuffix("'s").removesuffix("’s")
    if lower in _MONTHS_AND_DAYS:  # the rule on dates
        return False
    before = sentence[: word.start()].rstrip()
    begins = is_title_case or not before or before[-1] in _BEFORE_START
    parts = lower.replace("’", "'").split("-")
    return not (begins and all(_is_ordinary(part) for part in parts))


def _is_ordinary(word: str) -> bool:
    return word in ordinary_words() or word in phrasing_words()


def _unsupported_name(run: Sequence[str], strings: Sequence[str]) -> Iterator[str]:
    if not run:
        return
    words = " ".join(run)
    lower = words.lower().removesuffix("'s").removesuffix("’s")
    inside = re.compile(rf"(?<!\w){re.escape(lower)}(?!\w)")
    if not any(inside.search(one) for one in strings):
        yield words


def _han(reading: CopyReading) -> Iterator[str]:
    strings = reading.of_brief.strings
    for found in _HAN_DOTTED.finditer(reading.masked):
        if not any(found[0] in one for one in strings):
            yield found[0]
    for credit in _HAN_CREDIT.finditer(re.sub(f"[{MASKS}]", "◇", reading.masked)):
        name = credit[1]
        if not _HAN_NOT_NAMES.match(name) and not any(name in one for one in strings):
            yield name
