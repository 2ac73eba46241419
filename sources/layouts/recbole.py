"""RecBole's atomic files: `NAME.inter`, perhaps with `NAME.item`, `NAME.kg` and `NAME.link`.

They have tabs and typed headers. `.kg` has facts, and `.link` the entities of items.

Films (`movie_title`, `release_year`, `class` or `genre`) give the same records as MovieLens's own
files. Other items take their title from the first of `title`, `name`, or the first text column;
their other columns become attributes and, if they are words, text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from recommender.records.excerpt import shorten
from sources.cells.event_types import unused_type_columns, unused_warning
from sources.cells.values import expected_width, id_of
from sources.files.blocks import Blocks
from sources.files.folders import DataFolder
from sources.interactions import record_id
from sources.layouts.fact_files import with_facts
from sources.layouts.films import Film, film_of, film_record, with_year
from sources.source import RawRecord, Reject, Source, SourceError, first_of_each_item
from sources.tables.quoted import expect_header
from sources.tables.ratings import CALLED, RatingsFormat, named_columns, read_ratings
from sources.tables.rows import no_good_row, raw_rows, text_lines

FILES = "NAME.inter and NAME.item"
_NAMES = {"user_id": "user_id", "item_id": "item_id", "rating": "rating", "timestamp": "at"}
LABEL = "label"
# columns that may name the user when there is no user_id
_OWNERS = ("session_id", "visitor_id", "customer_id", "uid", "user")
_TITLES = ("title", "name", "item_title", "item_name")


def sets_in(folder: DataFolder) -> list[str]:
    """Return the files of interactions in a folder."""
    return sorted(
        name
        for name in folder.names
        if name.lower().endswith((".inter", ".inter.gz")) and folder.chosen in (None, name)
    )


def read_source(folder: DataFolder, inter: str) -> Source:
    """Read the data set with these interactions; raise SourceError."""
    items = folder.sole(_stem(inter) + ".item")
    form = _format(folder, inter)
    ratings = read_ratings(folder, inter, form)
    records, rejects = _items(folder, items) if items is not None else ([], [])
    source = Source(
        name=f"RecBole ({inter}{f', {items}' if items else ''})",
        items=records,
        num_items=len(records),
        items_file=items or "",
        events_path=folder.path_of(inter),
        called=ratings.called,
        events=ratings.interactions,
        rejects=(*rejects, *ratings.rejects),
        read_rejects=partial(raw_rows, folder),
        warnings=_warnings(folder, inter, form),
    )
    return with_facts(source, folder, folder.sole(_stem(inter) + ".kg"))


def _stem(inter: str) -> str:
    return inter.lower().removesuffix(".gz").removesuffix(".inter")


def _format(folder: DataFolder, file: str) -> RatingsFormat:
    """Return the format of the interactions; raise SourceError for a header unlike RecBole's."""
    line, path = folder.first_line(file), folder.path_of(file)
    header = [name.split(":")[0].strip() for name in line.split("\t")]
    if len(header) == 1 and line.count(":token") > 1:
        name_them = "or name the columns with --user, --item and --at"
        raise SourceError(
            path,
            line=1,
            found=shorten(repr(line)),
            expected=f"columns with tabs between them; {name_them}",
        )
    missing = [name for name, ours in _NAMES.items() if ours != "rating" and name not in header]
    if missing:
        owner = next((name for name in header if name in _OWNERS), "COLUMN")
        named = {
            "user_id": f"--user {owner}",
            "item_id": "--item COLUMN",
            "timestamp": "--at COLUMN",
        }
        known = {
            "user_id": "--user user_id",
            "item_id": "--item item_id",
            "timestamp": "--at timestamp",
        }
        options = " ".join((known | {name: named[name] for name in missing}).values())
        expected = f"a header with this column once; name this file's columns with {options}"
        raise SourceError(
            path,
            line=1,
            column=missing[0],
            found=shorten(repr("\t".join(header))),
            expected=expected,
        )
    names = {name: ours for name, ours in _NAMES.items() if name != "rating" or name in header}
    if LABEL in header and "rating" not in header:
        names[LABEL] = "type"
    columns = named_columns(path, header, names, "\t")
    return RatingsFormat(
        separator=b"\t",
        columns=columns,
        has_header=True,
        called=CALLED | {"type": LABEL},
        once=True,
        may_lack_rating=True,
        has_named_times=True,
        has_any_unit=True,
    )


def _warnings(folder: DataFolder, file: str, form: RatingsFormat) -> tuple[str, ...]:
    """Return a warning if a column looks like event types, saying whether it is used."""
    if "type" in form.columns:
        return (f"{LABEL} is read as in RecBole's click data: 1 is a click, 0 an impression",)
    header = [name.split(":")[0] for name in folder.first_line(file).split("\t")]
    found = unused_type_columns(name for name in header if name not in _NAMES)
    default = "rows are ratings" if "rating" in form.columns else "every row is a view"
    more = " together with --user user_id --item item_id --at timestamp"
    return (unused_warning(found, default=default) + more,) if found else ()


def _items(folder: DataFolder, file: str) -> tuple[list[RawRecord], list[Reject]]:
    """Return the items and the rejects; raise SourceError when there is no item."""
    header = [name.partition(":") for name in folder.first_line(file).split("\t")]
    kinds = {name: kind for name, _, kind in header if name}
    expect_header(folder.path_of(file), [name for name, _, _ in header], ["item_id", *kinds], "\t")
    blocks = Blocks(folder, file)
    rows, rejects = _rows(blocks, file, [name for name, _, _ in header])
    is_film, sha256 = "movie_title" in kinds, blocks.sha256
    records: list[tuple[int, RawRecord]] = []
    for line, values in rows:
        record = (
            _film(file, line, values, sha256) if is_film else _item(line, values, kinds, sha256)
        )
        if isinstance(record, Reject):
            rejects.append(record)
        else:
            records.append((line, record))
    items, repeated = first_of_each_item(file, records)
    if not items:
        raise no_good_row(folder, file, rejects, "at least one item")
    return items, sorted(rejects + repeated, key=lambda reject: reject.line)


def _rows(
    blocks: Blocks, file: str, names: Sequence[str]
) -> tuple[list[tuple[int, Mapping[str, str]]], list[Reject]]:
    """Return the rows with an id, by column name and with their lines, and rejects."""
    rows: list[tuple[int, Mapping[str, str]]] = []
    rejects: list[Reject] = []
    for line, row in enumerate(text_lines(blocks), start=1):
        cells = row.rstrip("\r\n").split("\t")
        values = dict(zip(names, cells, strict=False))
        if line == 1 or not row.strip():
            continue
        if len(cells) != len(names):
            rejects.append(Reject(file=file, line=line, reason=expected_width(len(names))))
        elif not id_of(values["item_id"]):
            rejects.append(Reject(file=file, line=line, reason="item_id: expected an id"))
        else:
            rows.append((line, values))
    return rows, rejects


def _film(file: str, line: int, values: Mapping[str, str], sha256: str) -> RawRecord | Reject:
    title = with_year(values["movie_title"], values.get("release_year", ""))
    film = film_of(
        file,
        line,
        values["item_id"],
        title,
        (values.get("class") or values.get("genre") or "").split(" "),
    )
    return film_record(film, sha256) if isinstance(film, Film) else film


def _item(line: int, values: Mapping[str, str], kinds: Mapping[str, str], sha256: str) -> RawRecord:
    item_id = id_of(values["item_id"])
    texts = [
        name
        for name in [*(name for name in _TITLES if name in kinds), *kinds]
        if kinds[name] == "token_seq" or name in _TITLES
    ]
    title = next((values[name].strip() for name in texts if values[name].strip()), item_id)
    words = [
        values[name].strip()
        for name in kinds
        if kinds[name] in ("token", "token_seq") and name != "item_id" and values[name].strip()
    ]
    attributes = {
        name: _attribute(values[name], kinds[name])
        for name in kinds
        if name != "item_id" and values[name].strip()
    }
    return {
        "event_id": record_id(sha256, line),
        "item_id": item_id,
        "title": title,
        "text": ". ".join([title, *(word for word in words if word != title)]),
        "attributes": {name: value for name, value in attributes.items() if value is not None},
    }


def _attribute(text: str, kind: str) -> object:
    """Return an attribute's value; None for NaN and the like.

    A sequence of numbers stays a list of words.
    """
    if kind.endswith("_seq"):
        return text.split()
    if kind == "float":
        try:
            number = float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else None
    return text
