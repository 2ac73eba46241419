"""RecBole's atomic files: `NAME.inter` and, where there is one, `NAME.item`; tab separated, with a typed header.

Films (`movie_title`, `release_year`, `class` or `genre`) give the records that MovieLens's own files give. Other items take their title
from the first of `title`, `name`, or the first text column; their other columns become attributes and, if they are words, text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from trainer.sources.files import Blocks, DataFolder
from trainer.sources.interactions import record_id
from trainer.sources.lines import RatingsFormat, read_ratings, text_lines
from trainer.sources.movielens import Film, film_of, film_record, with_year
from trainer.sources.quoted import expect_header
from trainer.sources.source import RawRecord, Reject, Source

FILES = "NAME.inter and NAME.item"
_NAMES = {"user_id": "user_id", "item_id": "item_id", "rating": "rating", "timestamp": "at"}
_TITLES = ("title", "name", "item_title", "item_name")


def sets_in(folder: DataFolder) -> list[str]:
    """Name the interactions of the data sets in a folder."""
    return sorted(name for name in folder.names if name.endswith((".inter", ".inter.gz")) and folder.chosen in (None, name))


def read(folder: DataFolder, inter: str) -> Source:
    """Read the data set with these interactions; raise SourceError when it can't be read."""
    items = folder.find(inter.removesuffix(".gz").removesuffix(".inter") + ".item")
    ratings = read_ratings(folder, inter, _format(folder, inter))
    rows = list(_items(folder, items)) if items is not None else []
    records = [row for row in rows if not isinstance(row, Reject)]
    return Source(
        name=f"RecBole ({inter}{f', {items}' if rows else ''})",
        licence="the original publisher's; RecBole only changed the format",
        items=records,
        num_items=len(records),
        items_file=items or "",
        events=ratings.interactions,
        rejects=(*(row for row in rows if isinstance(row, Reject)), *ratings.rejects),
    )


def _format(folder: DataFolder, file: str) -> RatingsFormat:
    header = [name.split(":")[0] for name in folder.first_line(file).split("\t")]
    expect_header(folder.path_of(file), header, [name for name in _NAMES if name != "rating"])
    return RatingsFormat(separator=b"\t", columns=tuple(_NAMES.get(name, name) for name in header), has_header=True, once=True)


def _items(folder: DataFolder, file: str) -> Iterator[RawRecord | Reject]:
    blocks = Blocks(folder, file)
    header: list[str] = []
    types: list[str] = []
    rows: list[tuple[int, Mapping[str, str]]] = []
    for line, row in enumerate(text_lines(blocks), start=1):
        parts = row.rstrip("\r\n").split("\t")
        if line == 1:
            header, types = [part.split(":")[0] for part in parts], [part.partition(":")[2] for part in parts]
            expect_header(folder.path_of(file), header, ["item_id"])
        elif len(parts) == len(header):
            rows.append((line, dict(zip(header, parts, strict=True))))
        elif row.strip():
            yield Reject(file=file, line=line, reason=f"{len(parts)} columns, expected {len(header)}", raw=row[:200])
    kinds = dict(zip(header, types, strict=True))
    for line, values in rows:
        yield _film(file, line, values, blocks.sha256) if "movie_title" in kinds else _item(file, line, values, kinds, blocks.sha256)


def _film(file: str, line: int, values: Mapping[str, str], sha256: str) -> RawRecord | Reject:
    title = with_year(values["movie_title"], values.get("release_year", ""))
    film = film_of(file, line, values["item_id"], title, (values.get("class") or values.get("genre") or "").split(" "))
    return film_record(film, sha256) if isinstance(film, Film) else film


def _item(file: str, line: int, values: Mapping[str, str], kinds: Mapping[str, str], sha256: str) -> RawRecord | Reject:
    item_id = values["item_id"].strip()
    texts = [name for name in [*(name for name in _TITLES if name in kinds), *kinds] if kinds[name] == "token_seq" or name in _TITLES]
    title = next((values[name].strip() for name in texts if values[name].strip()), item_id)
    if not item_id:
        return Reject(file=file, line=line, reason="item_id: expected an id", raw=str(dict(values))[:200])
    words = [values[name].strip() for name in kinds if kinds[name] in ("token", "token_seq") and name != "item_id" and values[name].strip()]
    attributes = {name: _attribute(values[name], kinds[name]) for name in kinds if name != "item_id" and values[name].strip()}
    return {
        "event_id": record_id(sha256, line),
        "item_id": item_id,
        "title": title,
        "text": ". ".join([title, *(word for word in words if word != title)]),
        "attributes": {name: value for name, value in attributes.items() if value is not None},
    }


def _attribute(text: str, kind: str) -> object:
    """Return an attribute's value; None for a number that is none, such as NaN."""
    if kind == "token_seq":
        return text.split(" ")
    if kind.startswith("float"):
        try:
            number = float(text.split(" ", maxsplit=1)[0])
        except ValueError:
            return text
        return number if math.isfinite(number) else None
    return text
