"""The rule on genres: a text calls an item a thriller only if the brief does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.brief import Brief, BriefReason
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.genres import GENRES, genres_in

_DENIAL = re.compile(
    r"\b(?:not|no|never|without|isn['’]t|instead of|rather than)\b (?:(?:an?|the|any|just) )?"
    rf"(?:\w+ )?(?P<name>[{MASKS}])",
    re.IGNORECASE,
)


def genres(reading: CopyReading) -> Sequence[Violation]:
    """Return the genres that no value of the brief supports, or that the text denies.

    Titles support none.
    """
    denied = [*_denials(reading)]
    claims = genres_in(reading.masked)
    if denied or not claims:
        return denied
    supported = _supported_genres(reading.brief)
    return [
        Violation(rule="genres", words=words)
        for genre, words in claims
        if genre.en not in supported
    ]


def genres_of(texts: Sequence[str]) -> frozenset[str]:
    """Return the English names of the genres that values or names have."""
    return frozenset(
        genre.en for genre in GENRES if any(genre.words.search(text) for text in texts)
    )


def shared_genres(reason: BriefReason | None) -> frozenset[str]:
    """Return the genres that the item shares with one that the reader knows, by the reason."""
    if reason is None:
        return frozenset()
    texts = [str(value) for part in reason.shared for value in part.values]
    return genres_of([*texts, *(fact.name for fact in reason.facts if fact.name is not None)])


def _denials(reading: CopyReading) -> Iterator[Violation]:
    """Yield the values that a text says an item has not: "a drama, not a comedy"."""
    for found in _DENIAL.finditer(reading.masked):
        name = reading.names.get(found["name"])
        if name is not None and name.title is None:
            yield Violation(rule="genres", words=reading.unmask(found[0]))


def _supported_genres(brief: Brief) -> frozenset[str]:
    parts = [part for item in brief.items for part in item.attributes]
    names = [fact.name for item in brief.items for fact in item.facts]
    if brief.reason is not None:
        parts += brief.reason.shared
        names += [fact.name for fact in brief.reason.facts if fact.name is not None]
    if brief.audience is not None:
        parts.append(brief.audience)
    return genres_of([*names, *(str(value) for part in parts for value in part.values)])
