"""Titles as an editor writes them: without the catalogue's year, with the article in front."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_SHOWN = 48  # characters of a title inside a sentence
MIN_STEM = 6  # characters of a cut title that still say which one it is

_YEAR = re.compile(r"^(?P<rest>.*\S)\s*\((?P<year>(?:1[89]|20)\d\d)\)$")
_ALSO_CALLED = re.compile(r"^(?P<title>.*\S)\s+\((?P<other>[^()]+)\)$")
_ELLIPSIS = re.compile(r"\s*(?:…|\.\.\.)\s*$")
_ARTICLE = re.compile(
    r"^(?P<rest>.+), (?P<article>The|A|An|Les|La|Le|L'|Il|El|Los|Das|Der|Die|Un|Une)$"
)


@lru_cache(maxsize=4096)
def shown_title(title: str) -> str:
    """Return the title for a sentence: no year, no second title, the article first, not long.

    A long title is cut after a word and ends with an ellipsis.
    """
    dated = _YEAR.match(title)
    if dated is None:
        return _cut(_with_article_first(title))
    also = _ALSO_CALLED.match(dated["rest"])
    return _cut(_with_article_first(dated["rest"] if also is None else also["title"]))


def year_of(title: str) -> str | None:
    """Return the year at the end of a catalogue's title, if there is one."""
    found = _YEAR.match(title)
    return None if found is None else found["year"]


@lru_cache(maxsize=4096)
def title_forms(title: str) -> tuple[str, ...]:
    """Return every way to write a title that is still that title, the longest first."""
    found = {title, shown_title(title), _with_article_first(title)}
    dated = _YEAR.match(title)
    if dated is not None:
        rest = dated["rest"]
        also = _ALSO_CALLED.match(rest)
        parts = [rest] if also is None else [rest, also["title"], also["other"]]
        for part in parts:
            flipped = _with_article_first(part)
            found |= {part, flipped, f"{flipped} ({dated['year']})"}
    return tuple(sorted({one.strip() for one in found} - {""}, key=lambda one: (-len(one), one)))


def is_cut_form(words: str, title: str) -> bool:
    """Return whether words that end in an ellipsis are the beginning of a title."""
    found = _ELLIPSIS.search(words)
    stem = words[: found.start()] if found is not None else ""
    return len(stem) >= MIN_STEM and any(form.startswith(stem) for form in title_forms(title))


def _with_article_first(title: str) -> str:
    found = _ARTICLE.match(title)
    if found is None:
        return title
    space = "" if found["article"].endswith("'") else " "
    return f"{found['article']}{space}{found['rest']}"


def _cut(title: str) -> str:
    if len(title) <= MAX_SHOWN:
        return title
    head = title[: MAX_SHOWN - 1]
    at_word = head.rsplit(" ", 1)[0].rstrip(" ,;:-–—")
    return f"{at_word if len(at_word) >= MAX_SHOWN // 2 else head.rstrip()}…"
