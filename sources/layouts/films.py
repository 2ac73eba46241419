"""Films as items, for all layouts that have films."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sources.cells.values import id_of
from sources.interactions import record_id
from sources.source import RawRecord, Reject

# (1995), (1995) (V), (2009– )
_YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4} ?)?\)(?: \(\w+\))?\s*$")
_NO_GENRES = {"unknown", "(no genres listed)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A line of a file of films."""

    line: int
    item_id: str
    title: str
    genres: Sequence[str]


def film_of(file: str, line: int, item_id: str, title: str, genres: Sequence[str]) -> Film | Reject:
    """Return a film, or a reject when id or title is missing."""
    if not id_of(item_id) or not title.strip():
        return Reject(file=file, line=line, reason="expected an id and a title")
    return Film(line=line, item_id=id_of(item_id), title=title.strip(), genres=genres)


def film_record(film: Film, file_sha256: str, tags: Sequence[str] = ()) -> RawRecord:
    """Return a film as a raw item.

    Its text repeats the title, followed by genres and tags. Genres and year become the attributes
    `genre` and `year`.
    """
    genres = [genre for genre in film.genres if genre and genre not in _NO_GENRES]
    year = _YEAR.search(film.title)
    attributes: dict[str, object] = {}
    if genres:
        attributes["genre"] = genres
    if year is not None:
        attributes["year"] = int(year[1])
    return {
        "event_id": record_id(file_sha256, film.line),
        "item_id": film.item_id,
        "title": film.title,
        "text": ". ".join([film.title, *(", ".join(words) for words in (genres, tags) if words)]),
        "attributes": attributes,
    }


def with_year(title: str, year: str) -> str:
    """Append a year that the file stores separately to the title."""
    return f"{title} ({year})" if year.isdigit() and not _YEAR.search(title) else title
