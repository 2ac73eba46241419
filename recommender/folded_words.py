"""The words of titles and searches, without case, accents and apostrophes."""

from __future__ import annotations

import re
import unicodedata

MAX_WORD_CHARS = 40  # of a word; the rest does not count
# Chinese and Japanese are written without spaces, so each character counts as a word.
_SINGLE = "\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SINGLE}]|[^\W_{_SINGLE}]+")
_APOSTROPHE = re.compile(r"['\u2019\u02bc]")


def folded_words(text: str) -> list[str]:
    """Return the words of a text in their order; "Schindler’s Café" has `schindlers`, `cafe`."""
    folded = _APOSTROPHE.sub("", text)
    if not folded.isascii():
        spread = unicodedata.normalize("NFKD", folded.casefold())
        folded = "".join(one for one in spread if not unicodedata.category(one).startswith("M"))
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(folded.casefold())]
