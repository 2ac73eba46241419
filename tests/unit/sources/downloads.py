"""Small data sets in the form of downloads."""

from __future__ import annotations

from pathlib import Path

from sources.source import Source
from sources.tables.columns import Columns

SECONDS = 1472688000
RATINGS = f"userId,movieId,rating,timestamp\n7,1,4.5,{SECONDS}\n9,2,0.5,{SECONDS + 1}\n"
FILMS = 'movieId,title,genres\n1,"Café, Le (1995)",Comedy\n2,Heat (1995),Crime\n'
REVIEW = {"reviewerID": "A1", "asin": "B000000001", "overall": 5.0, "unixReviewTime": SECONDS}
HEADER = "who,what,stars,when,words\n"
COLUMNS = Columns(user="who", item="what", at="when", rating="stars", text="words")


def write(folder: Path, **files: str | bytes) -> Path:
    """Write files; the keyword `ratings_csv` becomes ratings.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        stem, _, ending = name.partition("_")
        (folder / f"{stem}.{ending.replace('_', '.')}").write_bytes(
            content.encode() if isinstance(content, str) else content
        )
    return folder


def movielens(folder: Path, ratings: str | bytes = RATINGS, films: str | bytes = FILMS) -> Path:
    return write(folder, ratings_csv=ratings, movies_csv=films)


def users(source: Source) -> list[object]:
    return [raw["user_id"] for raw in source.events]
