"""MovieLens in every form that GroupLens publishes, as a folder or a zip file.

100K (`u.data`, `u.item`) · 1M and 10M (`ratings.dat`, `movies.dat`, 10M with `tags.dat`) ·
latest-small, 20M and later (`ratings.csv`, `movies.csv`, `tags.csv`) · Kaggle's 20M (`rating.csv`,
`movie.csv`, `tag.csv`, with times as text). Ratings are events. A film's title has its year, and
its text adds genres and the most frequent tags. Links and user traits are left out, since nothing
reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from sources.cells.values import id_of
from sources.files.blocks import Blocks
from sources.files.folders import DataFolder
from sources.layouts.films import Film, film_of, film_record
from sources.source import Reject, Source, first_of_each_item
from sources.tables.quoted import CsvRow, cells_of, csv_rows
from sources.tables.ratings import CALLED, COLUMNS, RatingsFormat, named_columns, read_ratings
from sources.tables.rows import no_good_row, raw_rows, text_lines

_TAGS = {"ratings.dat": "tags.dat", "ratings.csv": "tags.csv", "rating.csv": "tag.csv"}
_TAG_COLUMNS = ("userId", "movieId", "tag", "timestamp")
_PAIRS = (
    ("u.data", "u.item"),
    ("ratings.dat", "movies.dat"),
    ("ratings.csv", "movies.csv"),
    ("rating.csv", "movie.csv"),
)
_SCALE = (0.5, 5.0)
FILES = (
    "u.data and u.item, ratings.dat and movies.dat, ratings.csv and movies.csv, "
    "or rating.csv and movie.csv"
)
_NUM_TAGS = 8  # further ones are rare words and private lists
_TAGGERS = 2  # a tag from one person says more about that person
# The flags of `u.item`, in order.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _MovieLensFiles:
    """The two files of one form of the data set."""

    ratings: str
    films: str
    form: RatingsFormat
    read_films: Callable[[Iterable[str], str], Iterator[Film | Reject]]  # lines, path


def sets_in(folder: DataFolder) -> list[str]:
    """Return the ratings files in a folder that also has their films."""
    pairs = [(folder.find(ratings), folder.find(films)) for ratings, films in _PAIRS]
    return [
        ratings
        for ratings, films in pairs
        if ratings and films and folder.chosen in (None, ratings)
    ]


def half_of(folder: DataFolder) -> str | None:
    """Describe half of a data set, in the folder or chosen alone; None without any."""
    for pair in _PAIRS:
        ratings, films = (folder.find(name) for name in pair)
        if ratings and not films and folder.chosen in (None, ratings):
            return f"{ratings} without {pair[1]}"
        if films and folder.chosen == films and ratings:
            return f"{films}, half of a data set; name its other half, {ratings}"
        if films and not ratings and folder.chosen in (None, films):
            return f"{films} without {pair[0]}"
    return None


def read_source(folder: DataFolder, file: str) -> Source:
    """Read the data set with these ratings; raise SourceError."""
    layout = _layout(folder, file)
    blocks = Blocks(folder, layout.films)
    films = list(layout.read_films(text_lines(blocks), folder.path_of(layout.films)))
    rejects = [film for film in films if isinstance(film, Reject)]
    if len(rejects) == len(films):
        raise no_good_row(folder, layout.films, rejects, "at least one film")
    tags = dict[str, Sequence[str]]()
    if (
        tags_file := folder.sole(_TAGS.get(layout.ratings.lower().removesuffix(".gz"), ""))
    ) is not None:
        tags, tag_rejects = _tags(folder, tags_file)
        rejects += tag_rejects
    records = (
        (film.line, film_record(film, blocks.sha256, tags.get(film.item_id, ())))
        for film in films
        if isinstance(film, Film)
    )
    items, repeated = first_of_each_item(layout.films, records)
    ratings = read_ratings(folder, layout.ratings, layout.form)
    return Source(
        name=f"MovieLens ({layout.ratings}, {layout.films})",
        items=items,
        num_items=len(items),
        items_file=layout.films,
        events_path=folder.path_of(layout.ratings),
        called=ratings.called,
        events=ratings.interactions,
        rejects=(*rejects, *repeated, *ratings.rejects),
        read_rejects=partial(raw_rows, folder),
    )


def _layout(folder: DataFolder, file: str) -> _MovieLensFiles:
    name = file.lower().removesuffix(".gz")
    folder.sole(name)
    films = next(folder.sole(films) for ratings, films in _PAIRS if ratings == name)
    assert films is not None, "sets_in returned it"
    if films.lower().startswith("u.item"):
        form = RatingsFormat(
            separator=b"\t",
            columns=COLUMNS,
            has_header=False,
            called=CALLED,
            scale=_SCALE,
            once=True,
        )
        return _MovieLensFiles(ratings=file, films=films, form=form, read_films=_films_100k)
    if films.lower().startswith("movies.dat"):
        form = RatingsFormat(
            separator=b"::",
            columns=COLUMNS,
            has_header=False,
            called=CALLED,
            scale=_SCALE,
            once=True,
        )
        return _MovieLensFiles(ratings=file, films=films, form=form, read_films=_films_dat)
    names = {"userId": "user_id", "movieId": "item_id", "rating": "rating", "timestamp": "at"}
    columns = named_columns(folder.path_of(file), cells_of(folder.first_line(file)), names)
    called = {ours: name for name, ours in names.items()}
    form = RatingsFormat(
        separator=b",",
        columns=columns,
        has_header=True,
        called=called,
        scale=_SCALE,
        once=True,
        has_named_times=True,
    )
    return _MovieLensFiles(ratings=file, films=films, form=form, read_films=_films_csv)


def _films_100k(lines: Iterable[str], path: str) -> Iterator[Film | Reject]:
    file = PurePosixPath(path).name
    for line, row in enumerate(lines, start=1):
        parts = row.rstrip("\r\n").split("|")
        flags = parts[5:]
        if len(flags) == len(_100K_GENRES) and set(flags) <= {"0", "1"}:
            genres = [genre for genre, flag in zip(_100K_GENRES, flags, strict=True) if flag == "1"]
            yield film_of(file, line, parts[0], parts[1], genres)
        elif row.strip():
            yield Reject(
                file=file,
                line=line,
                reason=f"expected 5 columns and {len(_100K_GENRES)} flags of 0 or 1",
            )


def _films_dat(lines: Iterable[str], path: str) -> Iterator[Film | Reject]:
    file = PurePosixPath(path).name
    for line, row in enumerate(lines, start=1):
        item_id, _, rest = row.rstrip("\r\n").partition("::")
        title, separator, genres = rest.rpartition("::")  # a title may hold the separator
        if separator:
            yield film_of(file, line, item_id, title, genres.split("|"))
        elif row.strip():
            yield Reject(file=file, line=line, reason="expected id::title::genres")


def _films_csv(lines: Iterable[str], path: str) -> Iterator[Film | Reject]:
    for row in csv_rows(lines, path, expected=("movieId", "title", "genres")):
        if isinstance(row, Reject):
            yield row
        else:
            yield film_of(
                PurePosixPath(path).name,
                row.line,
                row.cells[0],
                row.cells[1],
                row.cells[2].split("|"),
            )


def _tags(folder: DataFolder, file: str) -> tuple[dict[str, Sequence[str]], list[Reject]]:
    """Return each film's tags, most frequent first, and rejects.

    Tags are compared without case and need at least two people. A person counts once for a tag:
    GroupLens writes all rows of a person together.
    """
    counts: dict[str, Counter[str]] = {}
    last_giver: dict[tuple[str, str], str] = {}
    rejects = []
    lines = text_lines(Blocks(folder, file))
    rows = (
        csv_rows(lines, folder.path_of(file), expected=_TAG_COLUMNS)
        if ".csv" in file.lower()
        else _tags_dat(lines, file)
    )
    for row in rows:
        if isinstance(row, Reject):
            rejects.append(row)
            continue
        user, film, tag = row.cells[0].strip(), id_of(row.cells[1]), row.cells[2].strip()
        given = film, tag.lower()
        if given[1] and last_giver.get(given) != user:
            last_giver[given] = user
            counts.setdefault(film, Counter())[given[1]] += 1
    return {
        film: [tag for tag, count in given.most_common(_NUM_TAGS) if count >= _TAGGERS]
        for film, given in counts.items()
    }, rejects


def _tags_dat(lines: Iterable[str], file: str) -> Iterator[CsvRow | Reject]:
    for line, row in enumerate(lines, start=1):
        cells = row.rstrip("\r\n").split("::", 2)
        if len(cells) == 3 and "::" in cells[2]:  # a tag may hold the separator
            yield CsvRow(line=line, cells=[*cells[:2], *cells[2].rsplit("::", 1)])
        elif row.strip():
            yield Reject(file=file, line=line, reason="expected user::film::tag::time")
