"""Look up the statements of a written Chinese line in the data, without the verifier.

As `written_statements` does for English: genres, years and people are statements about the film, or
about both films where the sentence says that they have something in common. Right before a title,
as in "喜剧片《Heat》", they are statements about the film of that title.
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
_IN_COMMON = re.compile(r"都|一样|同|也是|也由|也属|也主演|也有|延续|共享|之间")
_DENIED = re.compile(r"不是|没有|并非|不属")
_TITLE = re.compile(r"《([^》]*)》")
_GENRE = "|".join(sorted(_GENRES, key=len, reverse=True))
_NAME = r"[A-Z][a-z]+(?: [A-Z][a-z]+)+"
_YEAR = r"(?:18|19|20)\d\d"
_STATEMENT = re.compile(rf"(?P<genre>{_GENRE})|(?P<year>{_YEAR})|(?P<person>{_NAME})")
# from a statement to the title that it stands before; other statements may stand between
_UP_TO_TITLE = re.compile(
    rf"(?:[、和与]?(?:{_GENRE}|{_YEAR}|{_NAME})|[年的片\s]|电影|影片|作品|故事|题材|类型|风格"
    r"|执导|导演|主演|编剧)*《"
)
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
    bare = _TITLE.sub("《》", sentence)
    names_other = len(films) > 1 and any(_is_one_of(one, titles[1:]) for one in quoted)
    is_common = names_other and _IN_COMMON.search(bare) is not None
    if _DENIED.search(bare):
        yield sentence, False
    for found in _STATEMENT.finditer(bare):
        about = films if is_common and found["year"] is None else films[:1]
        if _UP_TO_TITLE.match(bare, found.end()) is not None:
            title = quoted[bare.count("《", 0, found.start())]
            named = [film for film in films if _is_one_of(title, [spoken_title(film.title)])]
            about = about if is_common or not named else named
        yield found[0], all(_has(film, found) for film in about)


def _has(film: FilmFacts, found: re.Match[str]) -> bool:
    """Return whether a film has a genre, a year or a person."""
    if found["genre"] is not None:
        return _GENRES[found["genre"]] in film.genres
    if found["year"] is not None:
        return film.year == int(found["year"])
    return any(found["person"] in names for names in film.people.values())


def _is_one_of(title: str, titles: Sequence[str]) -> bool:
    """Return whether a quotation is a title; a long one may be cut."""
    stem = title.removesuffix("…")
    return any(title == one or (stem != title and one.startswith(stem)) for one in titles)
