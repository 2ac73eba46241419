"""Look up the statements of a written Chinese line in the data, without the verifier.

As `written_statements` does for English: genres, years and people are statements about the film, or
about both films where the sentence says that they have something in common. What is left of a
sentence without titles, names, genres and plain characters is returned for a person to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.words.film_facts import FilmFacts
from bench.words.film_sentences import GENRES_ZH, spoken_title
from bench.words.written_statements import LineStatements

# other names of the catalogue's genres that a text may use
_MORE = {"音乐剧": "Musical", "纪录片": "Documentary", "浪漫": "Romance", "历险": "Adventure"}
_GENRES = {name: genre for genre, name in GENRES_ZH.items()} | _MORE
_GENRE = re.compile("|".join(sorted(_GENRES, key=len, reverse=True)))
_IN_COMMON = re.compile(r"都|一样|同|也是|也由|也属|也主演|也有|延续|共享|之间")
_DENIED = re.compile(r"不是|没有|并非|不属")
_TITLE = re.compile(r"《([^》]*)》")
_NAME = re.compile(r"[A-Z][a-z]+(?: [A-Z][a-z]+)+")
_YEAR = re.compile(r"(?:18|19|20)\d\d")
_SENTENCE = re.compile(r"(?<=[。！？])")


def chinese_statements(text: str, film: FilmFacts, near: FilmFacts | None) -> LineStatements:
    """Read a line about a film that was recommended for another one."""
    films = [one for one in (film, near) if one is not None]
    found: list[tuple[str, bool]] = []
    for sentence in filter(None, _SENTENCE.split(text)):
        found += _of_sentence(sentence, films)
    return LineStatements(
        num=len(found), wrong=tuple(words for words, is_true in found if not is_true)
    )


def _of_sentence(sentence: str, films: Sequence[FilmFacts]) -> Iterator[tuple[str, bool]]:
    """Yield the statements of a sentence, and whether each is true."""
    titles = [spoken_title(film.title) for film in films]
    quoted = _TITLE.findall(sentence)
    for title in quoted:
        yield title, _is_one_of(title, titles)
    names_other = len(films) > 1 and any(_is_one_of(one, titles[1:]) for one in quoted)
    bare = _TITLE.sub("《》", sentence)
    about = films if names_other and _IN_COMMON.search(bare) is not None else films[:1]
    if _DENIED.search(bare):
        yield sentence, False
    for name in _GENRE.findall(bare):
        yield name, all(_GENRES[name] in film.genres for film in about)
    for year in _YEAR.findall(bare):
        yield year, films[0].year == int(year)
    for person in _NAME.findall(bare):
        known = [{name for names in film.people.values() for name in names} for film in about]
        yield person, all(person in names for names in known)


def _is_one_of(title: str, titles: Sequence[str]) -> bool:
    """Return whether a quotation is a title; a long one may be cut."""
    stem = title.removesuffix("…")
    return any(title == one or (stem != title and one.startswith(stem)) for one in titles)
