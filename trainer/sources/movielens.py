"""MovieLens in every form that GroupLens publishes, and as RecBole's atomic files; a folder or the zip.

100K (`u.data`, `u.item`) · 1M and 10M (`ratings.dat`, `movies.dat`) · latest-small, 20M and later (`ratings.csv`, `movies.csv`) ·
RecBole (`*.inter`, `*.item`). Ratings are events; a film's title carries its year, its text repeats it with the genres, which also
become the attributes `genre` and `year` to filter by. Tags, links and user traits are left out: nothing reads them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.sources.files import DataFolder, data_folders
from trainer.sources.lines import COLUMNS, Ratings, RatingsFormat, read_ratings
from trainer.sources.source import RawRecord, Reject, Source, SourceError, record_id

LICENCE = (
    "MovieLens, GroupLens Research, University of Minnesota: free for research; commercial use and redistribution need their permission; "
    "https://grouplens.org/datasets/movielens/"
)
_CHUNK_ROWS = 50_000
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
class _Film:
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
    read_films: Callable[[str, str], Iterator[_Film | Reject]]  # text, file name


def read(path: Path) -> Source:
    """Open the MovieLens data set at a path; raise SourceError."""
    for folder in data_folders(path):
        layout = _layout(folder)
        if layout is not None:
            return _source(folder, layout)
    expected = "u.data and u.item, ratings.dat and movies.dat, ratings.csv and movies.csv, or *.inter and *.item"
    raise SourceError(str(path), found="none of the files of a MovieLens data set", expected=expected)


def _layout(folder: DataFolder) -> _Layout | None:
    if {"u.data", "u.item"} <= folder.names:
        form = RatingsFormat(separator=b"\t", columns=COLUMNS, has_header=False)
        return _Layout(ratings="u.data", films="u.item", form=form, read_films=_films_100k)
    if {"ratings.dat", "movies.dat"} <= folder.names:
        form = RatingsFormat(separator=b"::", columns=COLUMNS, has_header=False)
        return _Layout(ratings="ratings.dat", films="movies.dat", form=form, read_films=_films_dat)
    if {"ratings.csv", "movies.csv"} <= folder.names:
        form = _with_header(folder, "ratings.csv", b",", {"userId": "user_id", "movieId": "item_id", "rating": "rating", "timestamp": "at"})
        return _Layout(ratings="ratings.csv", films="movies.csv", form=form, read_films=_films_csv)
    for ratings in sorted(name for name in folder.names if name.endswith(".inter")):
        films = ratings.removesuffix(".inter") + ".item"
        if films in folder.names:
            names = {"user_id:token": "user_id", "item_id:token": "item_id", "rating:float": "rating", "timestamp:float": "at"}
            return _Layout(ratings=ratings, films=films, form=_with_header(folder, ratings, b"\t", names), read_films=_films_recbole)
    return None


def _with_header(folder: DataFolder, file: str, separator: bytes, names: dict[str, str]) -> RatingsFormat:
    """Read the format off the header; columns that we don't know keep their name and are skipped later."""
    header = folder.read(file).split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r").split(separator.decode())
    missing = [name for name in names if name not in header]
    if missing:
        raise SourceError(
            f"{folder.where}/{file}", line=1, column=missing[0], found=repr(separator.decode().join(header)), expected="a header with it"
        )
    return RatingsFormat(separator=separator, columns=tuple(names.get(name, name) for name in header), has_header=True)


def _source(folder: DataFolder, layout: _Layout) -> Source:
    rating_bytes, film_bytes = folder.read(layout.ratings), folder.read(layout.films)
    films = list(layout.read_films(_decoded(film_bytes), layout.films))
    ratings = read_ratings(rating_bytes, layout.ratings, layout.form)
    good = [film for film in films if isinstance(film, _Film)]
    if not good:
        raise SourceError(f"{folder.where}/{layout.films}", expected="at least one film")
    times = ratings.frame["at"]
    return Source(
        name=f"MovieLens ({layout.ratings}, {layout.films})",
        licence=LICENCE,
        items=_items(good, hashlib.sha256(film_bytes).hexdigest()),
        events=_events(ratings, hashlib.sha256(rating_bytes).hexdigest()),
        num_items=len(good),
        num_events=len(times),
        first_at_s=float(times.iloc[0]),
        last_at_s=float(times.iloc[-1]),
        rejects=(*(film for film in films if isinstance(film, Reject)), *ratings.rejects),
    )


def _decoded(data: bytes) -> str:
    """Decode UTF-8 (10M and later) or Latin-1 (100K and 1M), whose accents are never valid UTF-8 by chance."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _items(films: Sequence[_Film], file_sha256: str) -> Iterator[RawRecord]:
    for film in films:
        genres = [genre for genre in film.genres if genre and genre not in _NO_GENRES]
        year = _YEAR.search(film.title)
        attributes: dict[str, object] = {}
        if genres:
            attributes["genre"] = genres
        if year is not None:
            attributes["year"] = int(year[1])
        yield {
            "event_id": record_id(file_sha256, film.line),
            "item_id": film.item_id,
            "title": film.title,
            "text": ". ".join([film.title, *([", ".join(genres)] if genres else [])]),
            "attributes": attributes,
        }


def _events(ratings: Ratings, file_sha256: str) -> Iterator[RawRecord]:
    for begin in range(0, len(ratings.frame), _CHUNK_ROWS):
        chunk = ratings.frame.iloc[begin : begin + _CHUNK_ROWS]
        columns = (chunk[name].tolist() for name in ("user_id", "item_id", "rating", "at", "line"))
        for user_id, item_id, rating, at, line in zip(*columns, strict=True):
            yield {
                "event_id": record_id(file_sha256, line),
                "user_id": user_id.strip(),
                "item_id": item_id.strip(),
                "type": "rating",
                "rating": rating,
                "at": at,
            }


def _films_100k(text: str, file: str) -> Iterator[_Film | Reject]:
    for line, row in enumerate(text.split("\n"), start=1):
        parts = row.rstrip("\r").split("|")
        flags = parts[5:]
        if len(flags) == len(_100K_GENRES) and set(flags) <= {"0", "1"}:
            genres = [genre for genre, flag in zip(_100K_GENRES, flags, strict=True) if flag == "1"]
            yield _film(file, line, parts[0], parts[1], genres)
        elif row.strip():
            yield Reject(file=file, line=line, reason=f"expected 5 columns and {len(_100K_GENRES)} flags of 0 or 1", raw=row[:200])


def _films_dat(text: str, file: str) -> Iterator[_Film | Reject]:
    for line, row in enumerate(text.split("\n"), start=1):
        parts = row.rstrip("\r").split("::")
        if len(parts) == 3:
            yield _film(file, line, parts[0], parts[1], parts[2].split("|"))
        elif row.strip():
            yield Reject(file=file, line=line, reason="expected id::title::genres", raw=row[:200])


def _films_csv(text: str, file: str) -> Iterator[_Film | Reject]:
    rows = csv.reader(io.StringIO(text, newline=""))
    _expect_header(file, next(rows, []), ["movieId", "title", "genres"])
    for row in rows:
        if len(row) == 3:
            yield _film(file, rows.line_num, row[0], row[1], row[2].split("|"))
        elif row:
            yield Reject(file=file, line=rows.line_num, reason="expected movieId, title, genres", raw=",".join(row)[:200])


def _films_recbole(text: str, file: str) -> Iterator[_Film | Reject]:
    """Read id, title, year and genres; the year, split off by RecBole, goes back behind the title. Without titles the ids are titles."""
    lines = text.split("\n")
    header = [name.split(":")[0] for name in lines[0].rstrip("\r").split("\t")]
    _expect_header(file, header, ["item_id"])
    for line, row in enumerate(lines[1:], start=2):
        parts = row.rstrip("\r").split("\t")
        if len(parts) != len(header):
            if row.strip():
                yield Reject(file=file, line=line, reason=f"{len(parts)} columns, expected {len(header)}", raw=row[:200])
            continue
        values = dict(zip(header, parts, strict=True))
        title, year = values.get("movie_title", values["item_id"]), values.get("release_year", "")
        if year.isdigit() and not _YEAR.search(title):
            title = f"{title} ({year})"
        yield _film(file, line, values["item_id"], title, (values.get("class") or values.get("genre") or "").split(" "))


def _film(file: str, line: int, item_id: str, title: str, genres: Sequence[str]) -> _Film | Reject:
    if not item_id.strip() or not title.strip():
        return Reject(file=file, line=line, reason="expected an id and a title", raw=f"{item_id} {title}"[:200])
    return _Film(line=line, item_id=item_id.strip(), title=title.strip(), genres=genres)


def _expect_header(file: str, found: Sequence[str], expected: Sequence[str]) -> None:
    for column in expected:
        if column not in found:
            raise SourceError(file, line=1, column=column, found=repr(",".join(found)), expected="a header with it")
