"""The rule on dates: a time is in the brief. A decade is, if a year of the items is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.verifier.reading import CopyReading
from copywriter.verifier.verdict import Violation

_DECADE = re.compile(r"(?<![\d])(?:(?P<century>1[5-9]|20)|['’]?)(?P<tens>\d)0(?:['’]?s\b|年代)")
_DECADE_WORDS = {
    word: tens
    for tens, word in enumerate(
        [
            "twenties",
            "thirties",
            "forties",
            "fifties",
            "sixties",
            "seventies",
            "eighties",
            "nineties",
        ],
        start=2,
    )
}
_DECADE_WORD = re.compile(rf"\b(?:{'|'.join(_DECADE_WORDS)})\b", re.IGNORECASE)
_TIME = re.compile(
    r"""
    \b(?:january|february|april|june|july|august|september|october|november|december)\b
  | \b(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)s?\b
  | \b(?:in|of|since|until|last|next|this|early|late|mid) [ -] (?-i:March|May)\b
  | \b(?-i:March|May) \s \d | \d \s (?-i:March|May)\b
  | \b(?:this|last|next|past|coming) \s+ (?:year|month|week|weekend|season|decade|century)s?\b
  | \b(?:this|last|next|past|coming) \s+ (?:summer|winter|spring|autumn|fall)\b
  | \b(?:today|yesterday|tomorrow|nowadays|recent(?:ly)?|upcoming|soon|lately|out \s now)\b
  | \b(?:\w+ \s)? (?:years?|months?|weeks?|days?|decades?|centur(?:y|ies)) \s+ ago\b
  | \b(?:\d{1,2}(?:st|nd|rd|th) | \w+(?:st|nd|rd|th)) [ -] centur(?:y|ies)\b
  | \bcentur(?:y|ies)[- ]old\b
  | \b(?:turn|end|beginning) \s of \s the \s (?:century|millennium|decade)\b
  | 今[天年日] | 昨[天日] | 明[天年] | 去年 | 前年 | 本[周月年] | [上下][周个月]+
  | 近[日期年来]+ | 最近 | 日前 | 即将
  | [\d一二三四五六七八九十]+(?:月|世纪) | 星期[一二三四五六日天] | 周[一二三四五六日]
    """,
    re.IGNORECASE | re.VERBOSE,
)


def dates(reading: CopyReading) -> Sequence[Violation]:
    """Return the times that the brief does not have."""
    found = [*_decades(reading), *_times(reading)]
    return [Violation(rule="dates", words=one) for one in dict.fromkeys(found)]


def _decades(reading: CopyReading) -> Iterator[str]:
    years = [one for one in reading.of_brief.numbers if len(one) == 4]
    for found in _DECADE.finditer(reading.masked):
        start = f"{found['century'] or ''}{found['tens']}"
        if not any(year.startswith(start) or year[2:3] == start for year in years):
            yield found[0]
    for word in _DECADE_WORD.finditer(reading.masked):
        tens = str(_DECADE_WORDS[word[0].lower()])
        if not any(year[2] == tens for year in years):
            yield word[0]


def _times(reading: CopyReading) -> Iterator[str]:
    strings = [one.lower() for one in reading.of_brief.strings]
    for found in _TIME.finditer(reading.masked):
        if not any(found[0].lower() in one for one in strings):
            yield found[0].strip()
