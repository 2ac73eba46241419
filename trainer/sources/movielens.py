"""MovieLens in every form that GroupLens publishes; a folder or the zip.

100K (`u.data`, `u.item`) · 1M and 10M (`ratings.dat`, `movies.dat`) · latest-small, 20M and later (`ratings.csv`, `movies.csv`,
`tags.csv`). Ratings are events; a film's title carries its year, its text repeats it with the genres and the tags that most people
gave; genres and year also become the attributes `genre` and `year` to filter by. Links and user traits are left out: nothing reads them.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trainer.sources.files import Blocks, DataFolder
from trainer.sources.interactions import record_id
from trainer.sources.lines import COLUMNS, RatingsFormat, read_ratings, text_lines
from trainer.sources.source import RawRecord, Reject, Source, SourceError

PAIRS = (("u.data", "u.item"), ("ratings.dat", "movies.dat"), ("ratings.csv", "movies.csv"))
FILES = "u.data and u.item, ratings.dat and movies.dat, or ratings.csv and movies.csv"
LICENCE = (
    "MovieLens, GroupLens Research, University of Minnesota: free for research; commercial use and redistribution need their permission; "
    "https://grouplens.org/datasets/movielens/"
)
_NUM_TAGS = 8  # more of them are rare words and people's private lists
_TAGGERS = 2  # a tag that one person gave says more about that person
_YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4} ?)?\)(?: \(\w+\))?\s*$")  # (1995), (1995) (V), (2009– )
_NO_GENRES = {"unknown", "(no genres listed)"}
# The flags of `u.item`, in order. fmt: off
_100K_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A line of a films file, before it is a record."""

    line: int
    item_id: str
    title: str
    genres: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """The two files of one form of the data set."""

    ratings: str
    films: str
    form: RatingsFormat
    read_films: Callable[[Iterable[str], str], Iterator[Film | Reject]]  # lines, file name


def read(folder: DataFolder) -> Source | None:
    """Read the data set in a folder; None when it holds none, SourceError when it can't be read."""
    layout = _layout(folder)
    if layout is None or folder.chosen not in (None, layout.ratings):
        return None
    blocks = Blocks(folder, layout.films)
    films = list(layout.read_films(text_lines(blocks), layout.films))
    good = [film for film in films if isinstance(film, Film)]
    if not good:
        raise SourceError(folder.path_of(layout.films), expected="at least one film")
    tags, tag_rejects = _tags(folder) if "tags.csv" in folder.names and layout.films == "movies.csv" else ({}, [])
    ratings = read_ratings(folder, layout.ratings, layout.form)
    return Source(
        name=f"MovieLens ({layout.ratings}, {layout.films})",
        licence=LICENCE,
        items=[film_record(film, blocks.sha256, tags.get(film.item_id, ())) for film in good],
        num_items=len(good),
        events=ratings.interactions,
        rejects=(*(film for film in films if isinstance(film, Reject)), *tag_rejects, *ratings.rejects),
    )


def half_of(folder: DataFolder) -> str | None:
    """Name the half of a data set that lies in a folder which holds no whole one."""
    for ratings, films in PAIRS:
        if ratings in folder.names and films not in folder.names and folder.chosen in (None, ratings):
            return f"{ratings} without {films} beside it"
    return None


def film_record(film: Film, file_sha256: str, tags: Sequence[str] = ()) -> RawRecord:
    """Return a film as a raw item."""
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
    """Put a year that a file keeps apart back behind the title."""
    return f"{title} ({year})" if year.isdigit() and not _YEAR.search(title) else title


def _layout(folder: DataFolder) -> _Layout | None:
    if {"u.data", "u.item"} <= folder.names:
        form = RatingsFormat(separator=b"\t", columns=COLUMNS, has_header=False)
        return _Layout(ratings="u.data", films="u.item", form=form, read_films=_films_100k)
    if {"ratings.dat", "movies.dat"} <= folder.names:
        form = RatingsFormat(separator=b"::", columns=COLUMNS, has_header=False)
        return _Layout(ratings="ratings.dat", films="movies.dat", form=form, read_films=_films_dat)
    if {"ratings.csv", "movies.csv"} <= folder.names:
        names = {"userId": "user_id", "movieId": "item_id", "rating": "rating", "timestamp": "at"}
        header = folder.first_line("ratings.csv").split(",")
        expect_header(folder.path_of("ratings.csv"), header, list(names))
        form = RatingsFormat(separator=b",", columns=tuple(names.get(name, name) for name in header), has_header=True)
        return _Layout(ratings="ratings.csv", films="movies.csv", form=form, read_films=_films_csv)
    return None


def _films_100k(lines: Iterable[str], file: str) -> Iterator[Film | Reject]:
    for line, row in enumerate(lines, start=1):
        parts = row.rstrip("\r\n").split("|")
        flags = parts[5:]
        if len(flags) == len(_100K_GENRES) and set(flags) <= {"0", "1"}:
            genres = [genre for genre, flag in zip(_100K_GENRES, flags, strict=True) if flag == "1"]
            yield film_of(file, line, parts[0], parts[1], genres)
        elif row.strip():
            yield Reject(file=file, line=line, reason=f"expected 5 columns and {len(_100K_GENRES)} flags of 0 or 1", raw=row[:200])


def _films_dat(lines: Iterable[str], file: str) -> Iterator[Film | Reject]:
    for line, row in enumerate(lines, start=1):
        parts = row.rstrip("\r\n").split("::")
        if len(parts) == 3:
            yield film_of(file, line, parts[0], parts[1], parts[2].split("|"))
        elif row.strip():
            yield Reject(file=file, line=line, reason="expected id::title::genres", raw=row[:200])


def _films_csv(lines: Iterable[str], file: str) -> Iterator[Film | Reject]:
    rows = csv.reader(lines)
    expect_header(file, next(rows, []), ["movieId", "title", "genres"])
    for row in rows:
        if len(row) == 3:
            yield film_of(file, rows.line_num, row[0], row[1], row[2].split("|"))
        elif row:
            yield Reject(file=file, line=rows.line_num, reason="expected movieId, title, genres", raw=",".join(row)[:200])


def _tags(folder: DataFolder) -> tuple[Mapping[str, Sequence[str]], list[Reject]]:
    """Return each film's tags, the most given first: those that at least two people gave, whatever their case."""
    rows = csv.reader(text_lines(Blocks(folder, "tags.csv")))
    expect_header("tags.csv", next(rows, []), ["userId", "movieId", "tag", "timestamp"])
    counts: dict[str, Counter[str]] = {}
    rejects = []
    for row in rows:
        if len(row) == 4:
            counts.setdefault(row[1].strip(), Counter())[row[2].strip().lower()] += 1
        elif row:
            rejects.append(
                Reject(file="tags.csv", line=rows.line_num, reason="expected userId, movieId, tag, timestamp", raw=",".join(row)[:200])
            )
    return {film: [tag for tag, count in given.most_common(_NUM_TAGS) if count >= _TAGGERS] for film, given in counts.items()}, rejects


def film_of(file: str, line: int, item_id: str, title: str, genres: Sequence[str]) -> Film | Reject:
    """Return a film, or the reject when id or title is missing."""
    if not item_id.strip() or not title.strip():
        return Reject(file=file, line=line, reason="expected an id and a title", raw=f"{item_id} {title}"[:200])
    return Film(line=line, item_id=item_id.strip(), title=title.strip(), genres=genres)


def expect_header(file: str, found: Sequence[str], expected: Sequence[str]) -> None:
    """Raise SourceError when a header lacks a column."""
    for column in expected:
        if column not in found:
            raise SourceError(file, line=1, column=column, found=repr(",".join(found)), expected="a header with it")
