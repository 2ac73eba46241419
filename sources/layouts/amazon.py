"""Amazon Reviews of 2014, 2018 and 2023 as the McAuley Lab publishes them: reviews or ratings, and the metadata beside them.

2014: `reviews_X.json.gz`, `ratings_X.csv` (user, item, …; Kaggle's has a header), `meta_X.json.gz`
with Python literals. 2018: `X.json.gz`, `X.csv` (item, user, …), `meta_X.json.gz`. 2023:
`X.jsonl.gz`, `X.csv.gz` with a header, milliseconds, `meta_X.jsonl.gz`; items are their
`parent_asin`. What people wrote is left out: nothing reads it. Of the metadata, which lists far
more than was ever reviewed, the items that have an event are taken.
"""

from __future__ import annotations

import html
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

from sources.cells.values import expected_id, id_of
from sources.files.blocks import Blocks
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.interactions import Gathering, record_id
from sources.source import RawRecord, Reject, Source, SourceError
from sources.tables.json_lines import literal
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

FILES = "X.json.gz, X.jsonl.gz or X.csv, and meta_X beside it"
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
_TAG = re.compile(r"<[a-zA-Z/!][^<>]*>")  # not 3<4 and 5>2
_SCRIPT = "getTime()"  # some 2018 titles are a piece of the page's JavaScript
_EXPECTED_ITEMS = "at least one item that somebody reviewed"
_FIRST_LINES = 20
_SCALE = (1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    """What a release calls the parts of a review; the first name that is there counts."""

    user: str
    items: tuple[str, ...]
    rating: str
    at: str
    ticks_per_s: float


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
    """Name the reviews of the data sets in a folder, and the ratings of those whose reviews are not there."""
    reviews = [name for name in _candidates(folder, _JSON) if _fields_of(folder, name) is not None]
    reviewed = {_category(name) for name in reviews}
    ratings = [name for name in _candidates(folder, _CSV) if _category(name) not in reviewed]
    return reviews + [name for name in ratings if _csv_format(folder, name) is not None]


def half_of(folder: DataFolder) -> str | None:
    """Name metadata that lies in a folder which holds no reviews, or that was chosen alone."""
    found = sorted(
        name
        for name in folder.names
        if _is_meta(name) and name.lower().endswith(_JSON) and folder.chosen in (None, name)
    )
    return f"{found[0]}, which is metadata, without its reviews" if found else None


def read(folder: DataFolder, file: str) -> Source:
    """Read the data set with these reviews or ratings; raise SourceError when it can't be read."""
    fields = _fields_of(folder, file) if file.lower().endswith(_JSON) else None
    events = _read_csv(folder, file) if fields is None else _read_reviews(folder, file, fields)
    meta = _meta_of(folder, file)
    rows = list(_items(folder, meta, frozenset(events.interactions.item_ids))) if meta else []
    items = [row for row in rows if not isinstance(row, Reject)]
    rejects = [row for row in rows if isinstance(row, Reject)]
    if meta and not items:
        raise no_good_row(folder, meta, rejects, _EXPECTED_ITEMS)
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
    """Return X of `reviews_X_5.json.gz` and its like, in lower case."""
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
    """Tell the release by the first review, which a few bad lines may precede."""
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
    for block in _numbered(blocks):
        rows: list[tuple[str, str, float, float, int]] = []
        for line, raw in block:
            row = _row(raw, fields, line)
            if isinstance(row, str):
                rejects.append(Reject(file=file, line=line, reason=row))
            elif row is not None:
                rows.append(row)
        if rows:
            users, items, ratings, at, lines = zip(*rows, strict=True)
            gathering.add(user_ids=users, item_ids=items, ratings=ratings, at=at, lines=lines)
        if is_hopeless(rejects, gathering):
            break
    if not len(gathering):
        expected = f"reviews with {fields.user}, {fields.items[0]}, {fields.rating} and {fields.at}"
        raise no_good_row(folder, file, rejects, expected)
    interactions, repeated = gathering.interactions(file, blocks.sha256, once=True)
    rejects += [
        Reject(file=file, line=one, reason="an equal row stands before it") for one in repeated
    ]
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


def _numbered(blocks: Blocks) -> Iterator[list[tuple[int, bytes]]]:
    """Yield each block's lines with their numbers."""
    num_before = 0
    for block in blocks:
        lines = list(enumerate(io.BytesIO(block), start=num_before + 1))
        num_before += len(lines)
        yield lines


def _row(raw: bytes, fields: _Fields, line: int) -> tuple[str, str, float, float, int] | str | None:
    """Return a review's user, item, rating, time and line; the reason when it is none, None for an empty line."""
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
    return user, item, float(rating), float(at) / fields.ticks_per_s, line


def _number(value: object) -> object:
    """Return the number in a text, as some exports write it ("4.0"); anything else as it is."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        return float(value)
    return value


def _is_number(value: object) -> TypeGuard[float]:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )  # not NaN


def _items(folder: DataFolder, file: str, wanted: frozenset[str]) -> Iterator[RawRecord | Reject]:
    """Yield the wanted items of a metadata file; the first of an id counts. Ids need the file's digest, hence the list."""
    blocks, others, nameless = Blocks(folder, file), 0, 0
    found: dict[str, tuple[int, RawRecord]] = {}
    for block in _numbered(blocks):
        for line, raw in block:
            text = as_text(raw).strip()
            values = literal(text) if text else {}
            if values is None:
                yield Reject(
                    file=file, line=line, reason="expected a JSON object or a Python dictionary"
                )
                continue
            item_id = str(values.get("parent_asin") or values.get("asin") or "")
            if item_id not in wanted:
                others += bool(item_id)
                continue
            record = _record(item_id, values)
            if item_id in found:
                yield Reject(file=file, line=line, reason="the item stands before it")
            elif record is None:
                nameless += 1
                yield Reject(
                    file=file, line=line, reason="title: expected one, or a text in its place"
                )
            else:
                found[item_id] = (line, record)
    if others and not (found or nameless):
        raise SourceError(
            folder.path_of(file),
            found=f"{others:,} items, none of them reviewed",
            expected=_EXPECTED_ITEMS,
        )
    for line, record in found.values():
        yield {"event_id": record_id(blocks.sha256, line), **record}


def _record(item_id: str, values: Mapping[str, object]) -> RawRecord | None:
    """Return an item without its event id: text of title, brand, categories and description; None when there is nothing to call it by."""
    brand = _clean(values.get("brand") or values.get("store"))
    categories = list(dict.fromkeys(_words(values.get("categories") or values.get("category"))))
    description = " ".join(
        _words(values.get("features") or values.get("feature")) + _words(values.get("description"))
    )
    title = (
        _clean(values.get("title"))
        or " ".join(part for part in (brand, categories[-1] if categories else "") if part)
        or description[:80]
    )
    if not title:
        return None
    attributes: dict[str, object] = {"brand": brand} if brand else {}
    if categories:
        attributes["category"] = categories
    parts = [title, brand, ", ".join(categories), description]
    return {
        "item_id": item_id,
        "title": title[:500],
        "text": ". ".join(part for part in parts if part),
        "attributes": attributes,
    }


def _words(value: object) -> list[str]:
    """Return the texts in a text, a list, or lists of lists, cleaned, the empty ones left out."""
    if isinstance(value, list):
        return [word for one in value for word in _words(one)]
    cleaned = _clean(value)
    return [cleaned] if cleaned else []


def _clean(value: object) -> str:
    """Return a text without HTML and repeated blanks; anything else is empty."""
    if not isinstance(value, str) or _SCRIPT in value:
        return ""
    return " ".join(_TAG.sub(" ", html.unescape(value)).split())
