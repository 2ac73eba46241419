"""Amazon Reviews of 2014, 2018 and 2023 as the McAuley Lab publishes them.

2014: `reviews_X.json.gz`, `ratings_X.csv` (user, item, …; Kaggle's has a header), `meta_X.json.gz`
with Python literals. 2018: `X.json.gz`, `X.csv` (item, user, …), `meta_X.json.gz`. 2023:
`X.jsonl.gz`, `X.csv.gz` with a header and milliseconds, `meta_X.jsonl.gz`; items are their
`parent_asin`. Review texts are left out, since nothing reads them. The metadata list far more items
than were ever reviewed; only items with an event are taken.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeGuard

from sources.cells.distinct import distinct_cells
from sources.cells.values import expected_id, id_of
from sources.files.blocks import Blocks, numbered_lines
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.gathering import Gathering
from sources.layouts.amazon_metadata import EXPECTED_ITEMS, MetadataFacts, metadata_items
from sources.source import (
    REPEATED_ROW,
    Reject,
    Source,
)
from sources.tables.quoted import cells_of, names_of
from sources.tables.ratings import (
    CALLED,
    COLUMNS,
    Ratings,
    RatingsFormat,
    is_hopeless,
    named_columns,
    read_ratings,
)
from sources.tables.rows import no_good_row, raw_rows

FILES = "X.json.gz, X.jsonl.gz or X.csv, with meta_X"
_JSON = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_CSV = (".csv", ".csv.gz")
_COLUMNS_2023 = {
    "user_id": "user_id",
    "parent_asin": "item_id",
    "rating": "rating",
    "timestamp": "at",
}
_COLUMNS_KAGGLE = {
    "UserId": "user_id",
    "ProductId": "item_id",
    "Rating": "rating",
    "Timestamp": "at",
}
_CALLED_2023 = {ours: name for name, ours in _COLUMNS_2023.items()}
_ASIN = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")
_DECIMAL = re.compile(r"[0-9]{1,19}(\.[0-9]+)?", re.ASCII)
_FIRST_LINES = 20
_SCALE = (1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    """The field names of a release; of several names, the first that exists counts."""

    user: str
    items: tuple[str, ...]
    rating: str
    at: str
    ticks_per_s: float


class _Review(NamedTuple):
    """One review, without what the user wrote."""

    user: str
    item: str
    rating: float
    at_s: float
    line: int


_REVIEW_FIELDS = (
    _Fields(
        user="reviewerID", items=("asin",), rating="overall", at="unixReviewTime", ticks_per_s=1.0
    ),
    _Fields(
        user="user_id",
        items=("parent_asin", "asin"),
        rating="rating",
        at="timestamp",
        ticks_per_s=1000.0,
    ),
)


def sets_in(folder: DataFolder) -> list[str]:
    """Return the files of reviews in a folder, and of ratings without reviews."""
    reviews = [name for name in _candidates(folder, _JSON) if _fields_of(folder, name) is not None]
    reviewed = {_category(name) for name in reviews}
    ratings = [name for name in _candidates(folder, _CSV) if _category(name) not in reviewed]
    return reviews + [name for name in ratings if _csv_format(folder, name) is not None]


def half_of(folder: DataFolder) -> str | None:
    """Describe metadata without reviews, in the folder or chosen alone; None without any."""
    found = sorted(
        name
        for name in folder.names
        if _is_meta(name) and name.lower().endswith(_JSON) and folder.chosen in (None, name)
    )
    return f"{found[0]}, which is metadata, without its reviews" if found else None


def read_source(folder: DataFolder, file: str) -> Source:
    """Read the data set with these reviews or ratings; raise SourceError."""
    fields = _fields_of(folder, file) if file.lower().endswith(_JSON) else None
    events = _read_csv(folder, file) if fields is None else _read_reviews(folder, file, fields)
    meta = _meta_of(folder, file)
    wanted = frozenset(events.interactions.item_ids)
    rows = list(metadata_items(folder, meta, wanted)) if meta else []
    items = [row for row in rows if not isinstance(row, Reject)]
    rejects = [row for row in rows if isinstance(row, Reject)]
    if meta and not items:
        raise no_good_row(folder, meta, rejects, EXPECTED_ITEMS)
    return Source(
        name=f"Amazon Reviews ({file}{f', {meta}' if meta else ', no metadata'})",
        items=items,
        num_items=len(items),
        items_file=meta or "",
        events_path=folder.path_of(file),
        called=events.called,
        events=events.interactions,
        rejects=(*rejects, *events.rejects),
        read_rejects=partial(raw_rows, folder),
        facts=MetadataFacts(folder=folder, file=meta, wanted=wanted) if meta else (),
        num_facts=None if meta else 0,
        facts_file=meta or "",
    )


def _candidates(folder: DataFolder, endings: tuple[str, ...]) -> list[str]:
    return sorted(
        name
        for name in folder.names
        if name.lower().endswith(endings) and not _is_meta(name) and folder.chosen in (None, name)
    )


def _is_meta(name: str) -> bool:
    return name.lower().startswith("meta_")


def _category(name: str) -> str:
    """Return X of `reviews_X_5.json.gz` and similar names, in lower case."""
    stem = name.split(".", maxsplit=1)[0].lower()
    return re.sub(r"_(5|10)$", "", re.sub(r"^(reviews|ratings|meta)_", "", stem))


def _meta_of(folder: DataFolder, file: str) -> str | None:
    found = sorted(
        name
        for name in folder.names
        if _is_meta(name) and name.lower().endswith(_JSON) and _category(name) == _category(file)
    )
    return found[0] if found else None


def _fields_of(folder: DataFolder, file: str) -> _Fields | None:
    """Return the release's field names by the first review; a few bad lines may precede it."""
    for line in folder.first_lines(file, _FIRST_LINES):
        review = _json(line)
        found = (
            one
            for one in _REVIEW_FIELDS
            if isinstance(review, dict) and {one.user, one.at} <= review.keys()
        )
        if (fields := next(found, None)) is not None:
            return fields
    return None


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _csv_format(folder: DataFolder, file: str) -> RatingsFormat | None:
    columns = names_of(cells_of(folder.first_line(file)))
    if _COLUMNS_2023.keys() <= set(columns):
        names = named_columns(folder.path_of(file), columns, _COLUMNS_2023)
        return RatingsFormat(
            separator=b",",
            columns=names,
            has_header=True,
            called=_CALLED_2023,
            ticks_per_s=1000.0,
            once=True,
            scale=_SCALE,
        )
    if set(columns) == _COLUMNS_KAGGLE.keys():
        names = named_columns(folder.path_of(file), columns, _COLUMNS_KAGGLE)
        called = {ours: name for name, ours in _COLUMNS_KAGGLE.items()}
        return RatingsFormat(
            separator=b",", columns=names, has_header=True, called=called, once=True, scale=_SCALE
        )
    if len(columns) != 4 or not columns[3].strip().isdigit():
        return None
    user, item = ("item_id", "user_id") if _ASIN.fullmatch(columns[0]) else ("user_id", "item_id")
    if not _ASIN.fullmatch(columns[0]) and not _ASIN.fullmatch(columns[1]):
        return None
    return RatingsFormat(
        separator=b",",
        columns=(user, item, *COLUMNS[2:]),
        has_header=False,
        called=CALLED,
        once=True,
        scale=_SCALE,
    )


def _read_csv(folder: DataFolder, file: str) -> Ratings:
    form = _csv_format(folder, file)
    assert form is not None
    return read_ratings(folder, file, form)


def _read_reviews(folder: DataFolder, file: str, fields: _Fields) -> Ratings:
    gathering, rejects, blocks = Gathering(), list[Reject](), Blocks(folder, file)
    for block in numbered_lines(blocks):
        rows: list[_Review] = []
        for line, raw in block:
            row = _row(raw, fields, line)
            if isinstance(row, str):
                rejects.append(Reject(file=file, line=line, reason=row))
            elif row is not None:
                rows.append(row)
        if rows:
            users, items, ratings, at, lines = zip(*rows, strict=True)
            gathering.add(
                users=distinct_cells(users),
                items=distinct_cells(items),
                ratings=ratings,
                at=at,
                lines=lines,
            )
        if is_hopeless(rejects, gathering, folder.limits):
            break
    if not len(gathering):
        expected = f"reviews with {fields.user}, {fields.items[0]}, {fields.rating} and {fields.at}"
        raise no_good_row(folder, file, rejects, expected)
    interactions, repeated = gathering.interactions(file, blocks.sha256, once=True)
    rejects += [Reject(file=file, line=one, reason=REPEATED_ROW) for one in repeated]
    called = {
        "user_id": fields.user,
        "item_id": fields.items[0],
        "rating": fields.rating,
        "at": fields.at,
    }
    return Ratings(
        interactions=interactions,
        called=called,
        rejects=tuple(sorted(rejects, key=lambda reject: reject.line)),
    )


def _row(raw: bytes, fields: _Fields, line: int) -> _Review | str | None:
    """Return a review, or the reason to reject the line; None for an empty line."""
    if not raw.strip():
        return None
    review = _json(as_text(raw))
    if not isinstance(review, dict):
        return "expected a JSON object"
    user, rating, at = (
        review.get(fields.user),
        _number(review.get(fields.rating)),
        _number(review.get(fields.at)),
    )
    item = next((review[name] for name in fields.items if review.get(name)), None)
    if not isinstance(user, str) or not id_of(user):
        return f"{fields.user}: {expected_id(user if isinstance(user, str) else '')}"
    if not isinstance(item, str) or not id_of(item):
        return f"{fields.items[0]}: {expected_id(item if isinstance(item, str) else '')}"
    if not _is_number(rating):
        return f"{fields.rating}: expected a number"
    if not _SCALE[0] <= rating <= _SCALE[1]:
        return f"{fields.rating}: expected {_SCALE[0]:g} to {_SCALE[1]:g}"
    if not _is_number(at):
        return f"{fields.at}: expected a number"
    at_s = float(at) / fields.ticks_per_s
    return _Review(user=user, item=item, rating=float(rating), at_s=at_s, line=line)


def _number(value: object) -> object:
    """Return the number in a text such as "4.0", as some exports write; else the value itself."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        return float(value)
    return value


def _is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number; NaN fails the comparison."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )
