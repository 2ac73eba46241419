"""Who does what by a text: its reader may do anything, others only what a brief may have.

"Try", "watch" and "enjoy" are said to the reader. Of an item, a person, a genre or other people any
such verb is a remark: "fans turn to it", "it keeps you thinking". A clause whose verb has no word
before it, or that names the reader or a preposition first, is the reader's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from copywriter.verifier.reading import MASKS
from copywriter.wording import phrasing_english

_TOKEN = re.compile(rf"[A-Za-z]+(?:['’][a-z]+)?|[{MASKS}]|[^\s\w]")
_QUESTION = re.compile(r"\?[”\"’]?\s*$")
_QUOTES = frozenset("“”\"'‘’")
_NEXT_CLAUSE = re.compile(
    r"[.,;:!?—–()]|and|but|or|so|because|since|if|when|where|while|as|that|which"
)
_READERS = """
you you'll you've you'd your we we've we'd we're us our let let's who those anyone to worth for of
by about with from after before without on in at into why how
"""
# "a pick", "another take", "its love": a noun
_BEFORE_NOUNS = """
a an the this that another its his her their your our my no one two each every any some more much
small big good great fine nice perfect ideal natural solid fitting next first suitable
"""
_LIGHT = """
then please just now not next maybe perhaps also only even simply why again once always never
together well
"""
# "brings you", "might change that", "makes good company", "seemed a fitting choice"
_COMPLETED = re.compile(
    r"change that\b|find what\b|caught your\b|(?:seem(?:s|ed)?|called|reach(?:es|ed)?)\b"
    r"|(?!surprise|delight|please|satisf|change|hook|make|made|keep|kept|lea)"
    r"\w+ (?:for |with )?you\b"
    r"|\w+ (?:an? )?(?:good|great|fine|nice|perfect|ideal|natural|fitting) ",
    re.IGNORECASE,
)


def deeds_of_others(sentence: str, stated: frozenset[str]) -> Iterator[str]:
    """Yield the verbs that somebody else than the reader does, with the words before them.

    `stated` are those that say what a brief may have. A question states nothing.
    """
    if _QUESTION.search(sentence):
        return
    clause: list[str] = []
    for found in _TOKEN.finditer(sentence):
        word = found[0].lower().replace("’", "'")
        if _NEXT_CLAUSE.fullmatch(word):
            clause = []
        elif word not in _QUOTES:
            is_deed = word in _deeds() - stated and not _COMPLETED.match(sentence[found.start() :])
            if is_deed and _is_of_others(clause):
                yield sentence[max(0, found.start() - 24) : found.end()]
            clause.append(word)


def _is_of_others(clause: Sequence[str]) -> bool:
    """Return whether the words of a clause before its verb name another subject."""
    before = [word for word in clause if word not in _words(_LIGHT)]
    if not before or before[-1] in _words(_BEFORE_NOUNS):
        return False
    return _words(_READERS).isdisjoint(before)


@cache
def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@cache
def _deeds() -> frozenset[str]:
    """Return the phrasing words that are verbs and nothing else."""
    return phrasing_english.verbs() - phrasing_english.other_words()
