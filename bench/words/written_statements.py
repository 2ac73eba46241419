"""Look up the statements of a written line in the data, without the verifier.

A line is read word by word: genres, years and people are statements about the film that was named
last, or about both films where the sentence says that they have something in common. Right before a
title, as in "the comedy “Heat”", genres and years are about the film of that title. A word that is
neither a statement nor on a short list of plain words is counted as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.words.film_facts import FilmFacts
from bench.words.film_sentences import spoken_title

_GENRES = {
    "action": "Action",
    "adventure": "Adventure",
    "animation": "Animation",
    "animated": "Animation",
    "children": "Children's",
    "children's": "Children's",
    "comedy": "Comedy",
    "comedies": "Comedy",
    "crime": "Crime",
    "documentary": "Documentary",
    "drama": "Drama",
    "dramas": "Drama",
    "fantasy": "Fantasy",
    "noir": "Film-Noir",
    "horror": "Horror",
    "musical": "Musical",
    "mystery": "Mystery",
    "mysteries": "Mystery",
    "romance": "Romance",
    "romantic": "Romance",
    "sci-fi": "Sci-Fi",
    "science": "Sci-Fi",
    "thriller": "Thriller",
    "thrillers": "Thriller",
    "war": "War",
    "western": "Western",
}
_IN_COMMON = re.compile(r"\b(?:both|like|also|too|another|shares?|same|common|as well)\b")
_ABOUT_READER = re.compile(r"\b(?:you|fans?|may|might|will|who|would) (?:also )?(?:like|enjoy)\b")
_DENIED = re.compile(r"\b(?:not|no|never|without)\b")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_UP_TO_TITLE = re.compile(
    rf"(?:,? (?:and )?(?:{'|'.join(map(re.escape, _GENRES))})| film| movie| story)*"
    r"\s*[“\"‘']?\s*‹(?P<place>[01])›",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStatements:
    """What a line states: how many statements, and those that the data does not have."""

    num: int
    wrong: tuple[str, ...]


def statements_of(text: str, film: FilmFacts, near: FilmFacts | None) -> LineStatements:
    """Read a line about a film that was recommended for another one."""
    films = [one for one in (film, near) if one is not None]
    found: list[tuple[str, bool]] = []
    marked = _with_marks(text, films)
    for sentence in _SENTENCE.split(marked):
        found += _of_sentence(sentence, films)
    if near is not None and marked.count("‹0›") + marked.count("‹1›") == 0:
        found += [("no title", False)] if not found else []
    return LineStatements(
        num=len(found), wrong=tuple(words for words, is_true in found if not is_true)
    )


def _with_marks(text: str, films: Sequence[FilmFacts]) -> str:
    """Return the text with ‹0› for the film's title, ‹1› for the other's, and ‹p› before people."""
    titles = [(spoken_title(film.title), place) for place, film in enumerate(films)]
    for title, place in sorted(titles, key=lambda pair: -len(pair[0])):
        text = text.replace(title, f" ‹{place}› ")
    return text


def _of_sentence(sentence: str, films: Sequence[FilmFacts]) -> Iterator[tuple[str, bool]]:
    """Yield the statements of a sentence, and whether each is true."""
    lower = sentence.lower()
    is_common = (
        _IN_COMMON.search(_ABOUT_READER.sub("", lower)) is not None
        and "‹1›" in sentence
        and len(films) > 1
    )
    if _DENIED.search(lower):
        yield sentence, False
    yield from _people(sentence, films, is_common=is_common)
    subject = 0
    for found in re.finditer(rf"‹[01]›|{_WORD.pattern}", sentence):
        word = found[0]
        if word in ("‹0›", "‹1›"):
            subject = int(word[1])
            continue
        titled = _UP_TO_TITLE.match(sentence, found.end())
        of_film = films[min(subject if titled is None else int(titled["place"]), len(films) - 1)]
        about = films if is_common else [of_film]
        if word.lower() in _GENRES:
            yield word, all(_GENRES[word.lower()] in film.genres for film in about)
        elif re.fullmatch(r"(?:18|19|20)\d\d", word):
            yield word, of_film.year == int(word)


def _people(
    sentence: str, films: Sequence[FilmFacts], *, is_common: bool
) -> Iterator[tuple[str, bool]]:
    """Yield each two capitalised words in a row that are no title, as a person of a film."""
    for name in re.findall(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b", re.sub(r"‹[01]›", "|", sentence)):
        about = films if is_common else films[:1]
        known = [{person for people in film.people.values() for person in people} for film in about]
        yield name, all(name in people for people in known)
