"""The words of titles and searches, without case, accents and apostrophes."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

MAX_WORD_CHARS = 40  # of a word; the rest does not count
# Chinese and Japanese are written without spaces, so each character counts as a word.
_SINGLE = "\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
_ASCII_WORD = re.compile(r"[^\W_]+")
_APOSTROPHE = re.compile(r"['\u2019\u02bc]")
# accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic, joiners, variants.
# Marks of other scripts are vowels or make another letter, so they stay.
_DROPPED = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u200c\u200d\ufe00-\ufe0f]"
)
# letters with a stroke or bound together, which Unicode does not take apart
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"})
_PAST_LAST_MARK = 0x1F000  # those of living scripts are before it


def folded_words(text: str) -> list[str]:
    """Return the words of a text in their order; "Schindler’s Café" has `schindlers`, `cafe`."""
    folded = _APOSTROPHE.sub("", text).casefold()
    if not folded.isascii():
        folded = _DROPPED.sub("", unicodedata.normalize("NFKD", folded).casefold())
    if not folded.isascii():
        folded = folded.translate(_PLAIN)
    pattern = _ASCII_WORD if folded.isascii() else _word()
    return [word[:MAX_WORD_CHARS] for word in pattern.findall(folded)]


def ends_in_word(text: str) -> bool:
    """Return whether the last word of a text may be unfinished."""
    return text[-1:].isalnum() or unicodedata.category(text[-1:] or " ").startswith("M")


@cache
def _word() -> re.Pattern[str]:
    """Return the pattern of a word: letters and digits, each with its marks."""
    marks = "".join(
        chr(code)
        for code in range(0x300, _PAST_LAST_MARK)
        if unicodedata.category(chr(code)).startswith("M")
    )
    return re.compile(rf"[{_SINGLE}][{marks}]*|(?:[^\W_{_SINGLE}][{marks}]*)+")
