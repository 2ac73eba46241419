"""The rule on numbers: each is one of the items', or counts what the brief has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.verifier.names_of_brief import NUMBER, numbers_in
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation

_WORDS = {
    word: number
    for number, word in enumerate(
        [
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ],
        start=2,
    )
}
_OTHER_WORDS = re.compile(
    r"\b(?:thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?"
    r"|dozens?|first(?! (?:shown|seen|released|published))|second|third|fourth|fifth"
    r"|twice|double|triple|half|percent)\b|%",
    re.IGNORECASE,
)
_HALF_AND_HALF = re.compile(r"\bhalf\b(?P<one>[^.!?]{1,40})\bhalf\b", re.IGNORECASE)
_COUNTED = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)
_HAN_NUMBER = re.compile(
    r"第?([两二三四五六七八九十百千万亿]+)[多余]?(?:部|个|名|位|年|次|种|倍|成|人|代|季|集|本|款|首|张|届|岁)"
    r"|[百千万亿]"
)
_HAN_VALUES = {sign: number for number, sign in enumerate("二三四五六七八九十", start=2)} | {
    "两": 2
}
_NAME = re.compile(f"[{MASKS}]")
_DECADE = re.compile(r"(?:'|’)?\d{2,4}s\b|\d{2,4}年代")  # the rule on dates
_YEAR_OF_NAME = re.compile(rf"(?P<name>[{MASKS}])[”\"'》」]?\s*[(（,，]\s*$")


def numbers(reading: CopyReading) -> Sequence[Violation]:
    """Return the numbers, in digits or words, that the brief does not have."""
    found = [*_digits(reading), *_in_words(reading)]
    return [Violation(rule="numbers", words=one) for one in dict.fromkeys(found)]


def _digits(reading: CopyReading) -> Iterator[str]:
    text = _DECADE.sub("", reading.masked)
    for found in NUMBER.finditer(text):
        (number,) = numbers_in(found[0])
        year = _numbers_of_name(reading, text[: found.start()])
        is_count = number.isdigit() and int(number) in reading.of_brief.counts
        is_known = number in reading.of_brief.numbers or is_count
        if not (is_known if year is None else number in year):
            yield found[0]


def _numbers_of_name(reading: CopyReading, before: str) -> list[str] | None:
    """Return the numbers of the history's title right before a bracket; None without one."""
    found = _YEAR_OF_NAME.search(before)
    name = reading.names.get(found["name"]) if found is not None else None
    if name is None or name.title is None or name.is_item:
        return None
    return numbers_in(name.title)


def _in_words(reading: CopyReading) -> Iterator[str]:
    known, counts = reading.of_brief.words, reading.of_brief.counts
    for sentence in reading.sentences:
        named = len({*_NAME.findall(sentence)})  # "two favourites, drama and war"
        for found in _COUNTED.finditer(sentence):
            word = found[0].lower()
            if word not in known and _WORDS[word] not in counts | {named}:
                yield found[0]
    for found in _OTHER_WORDS.finditer(_HALF_AND_HALF.sub(r"\g<one>", reading.masked)):
        if found[0].lower() not in known:
            yield found[0]
    for found in _HAN_NUMBER.finditer(reading.masked):
        is_count = not found[0].startswith("第") and _HAN_VALUES.get(found[1] or "") in counts
        if not is_count and not any(found[0] in one for one in reading.of_brief.strings):
            yield found[0]
