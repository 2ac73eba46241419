"""A folder whose tables use the fields of our records: `events.EXT`, perhaps `items.EXT`.

EXT is parquet, csv, tsv or jsonl, and text may be compressed (.gz). Events need the columns
`user_id`, `item_id` and `at`; `type` and `rating` are read if they exist. Items need `item_id`;
`title`, `text` and `images` (URLs with blanks between them) are read if they exist, and every other
column is an attribute.
Facts are in `facts.csv`, `facts.tsv` or `facts.nt`. `python -m bench shop` writes such a folder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sources.files.folders import DataFolder
from sources.layouts import table
from sources.layouts.fact_files import with_facts
from sources.layouts.table_files import column_names
from sources.source import Source, SourceError
from sources.tables.columns import Columns, ItemColumns

FILES = "events.parquet or .csv with user_id, item_id and at"
_ENDINGS = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz")
_EVENTS = frozenset(f"events{ending}" for ending in _ENDINGS)
_ITEMS = frozenset(f"items{ending}" for ending in _ENDINGS)
_FIELDS = frozenset({"item_id", "title", "text", "images"})
_FACTS = ("facts.csv", "facts.tsv", "facts.nt")
_NEEDED = frozenset({"user_id", "item_id", "at"})


def sets_in(folder: DataFolder) -> list[str]:
    """Return the files of events that have the needed columns."""
    names = [
        name
        for name in sorted(folder.names)
        if name.lower() in _EVENTS and folder.chosen in (None, name)
    ]
    return [name for name in names if _columns_in(folder, name) >= _NEEDED]


def read_source(folder: DataFolder, events: str) -> Source:
    """Read the events, and the items beside them; raise SourceError."""
    names = _columns_in(folder, events)
    columns = Columns(
        user="user_id",
        item="item_id",
        at="at",
        rating="rating" if "rating" in names else None,
        type="type" if "type" in names else None,
        items=_item_columns(folder),
    )
    facts = _facts_file(folder)
    others = replace(folder, names=folder.names.difference([facts]))
    return with_facts(table.read_source(others, events, columns), folder, facts)


def _facts_file(folder: DataFolder) -> str | None:
    found = [name for name in map(folder.sole, _FACTS) if name is not None]
    if len(found) > 1:
        raise SourceError(
            folder.where,
            found=" and ".join(found),
            expected="one file of facts; move the others elsewhere",
        )
    return found[0] if found else None


def _item_columns(folder: DataFolder) -> ItemColumns | None:
    found = [name for name in sorted(folder.names) if name.lower() in _ITEMS]
    if not found:
        return None
    if len(found) > 1:
        raise SourceError(
            folder.where,
            found=" and ".join(found),
            expected="one file of items; move the others elsewhere",
        )
    names = column_names(folder, found[0], ["item_id"])
    return ItemColumns(
        path=Path(folder.path_of(found[0])),
        item="item_id",
        title="title" if "title" in names else None,
        text="text" if "text" in names else None,
        images="images" if "images" in names else None,
        attributes=tuple(name for name in names if name not in _FIELDS),
    )


def _columns_in(folder: DataFolder, file: str) -> frozenset[str]:
    """Return the names of a file's columns; none if it is not such a table."""
    try:
        return frozenset(column_names(folder, file, sorted(_NEEDED)))
    except SourceError:
        return frozenset()
