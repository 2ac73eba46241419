"""The options that say which columns a table has, and opening the data set with them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cron.errors import FreshetError

if TYPE_CHECKING:  # imports pandas
    from sources.source import Source
    from sources.tables.columns import Columns, ItemColumns

_COLUMNS = {
    "user": "the user's id",
    "item": "the item's id",
    "at": "the time",
    "rating": "the rating",
    "type": "the event's type; without --type and --rating the events are views",
    "title": "the item's title",
    "text": "the item's text",
}
_TABLE = (
    "any CSV, TSV, JSON lines or Parquet table with one event per row: "
    "name its columns, at least --user, --item and --at"
)


def named_path(text: str) -> Path:
    """Return the path of a text that is not empty, as it is if a command in `$(…)` failed."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; did the command that prints it fail?")
    return Path(text)


def add_column_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name the columns of a table."""
    group = parser.add_argument_group(_TABLE)
    for role, what in _COLUMNS.items():
        group.add_argument(f"--{role}", metavar="COLUMN", help=what)
    group.add_argument(
        "--types",
        type=parse_types,
        default={},
        metavar="CELL=TYPE,...",
        help="the types that cells of --type mean, such as 1=click,0=impression; "
        "common words such as view, pv and buy are recognised",
    )
    group.add_argument(
        "--header",
        type=parse_header,
        metavar="NAME,...",
        help="the columns of a file without a header, such as user,item,time; "
        "with `none` they are called 1, 2, 3, ...",
    )
    group.add_argument(
        "--parts",
        action="store_true",
        help="read all tables in the folder as parts of one table",
    )


def add_item_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name a second file, with the items, and its columns."""
    group = parser.add_argument_group(
        "a second file for such a table, with one item per row; "
        "--title and --text then name columns of it"
    )
    group.add_argument("--items", type=Path, metavar="FILE", help="the file with the items")
    group.add_argument(
        "--items-id", metavar="COLUMN", help="the item's id in that file (default: that of --item)"
    )
    group.add_argument(
        "--attributes",
        type=_names,
        default=(),
        metavar="NAME,...",
        help="columns of that file that become attributes to filter by",
    )


def parse_types(text: str) -> dict[str, str]:
    """Parse CELL=TYPE,CELL=TYPE; argparse turns the error into a usage message."""
    pairs = [pair.rpartition("=") for pair in text.split(",")]
    if not all(cell.strip() and name.strip() for cell, _, name in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not valid; expected CELL=TYPE,CELL=TYPE, such as 1=click,0=impression"
        )
    return {cell.strip(): name.strip() for cell, _, name in pairs}


def parse_header(text: str) -> tuple[str, ...]:
    """Parse column names, `none` as no names; argparse turns the error into a usage message."""
    return () if text.strip().lower() == "none" else _names(text)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len({*names}) < len(names):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not valid; expected different column names separated by commas"
        )
    return names


def columns_of(arguments: argparse.Namespace) -> Columns | None:
    """Return the named columns, or None if none was named; raise FreshetError."""
    from sources.tables.columns import Columns

    named = {role: getattr(arguments, role) for role in _COLUMNS}
    items = _item_columns(arguments)
    others = {
        "--types": arguments.types,
        "--header": arguments.header is not None,
        "--parts": arguments.parts,
        "--items": items,
    }
    used = [f"--{role}" for role, column in named.items() if column] + [
        option for option, value in others.items() if value
    ]
    if not used:
        return None
    missing = [f"--{role}" for role in ("user", "item", "at") if not named[role]]
    if missing:
        what = _COLUMNS[missing[0].removeprefix("--")]
        raise FreshetError(f"a table also needs {', '.join(missing)}: the column with {what}")
    if arguments.types and not named["type"]:
        raise FreshetError("--types also needs --type: the column whose cells it explains")
    if items is not None:
        named |= {"title": None, "text": None}
    return Columns(
        **named,
        types=arguments.types,
        header=arguments.header,
        is_parts=arguments.parts,
        items=items,
    )


def _item_columns(arguments: argparse.Namespace) -> ItemColumns | None:
    """Return the columns of the file with the items, or None without one; raise FreshetError."""
    from sources.tables.columns import ItemColumns

    path = getattr(arguments, "items", None)  # `replay` has no such option
    if path is None:
        if getattr(arguments, "items_id", None) or getattr(arguments, "attributes", None):
            raise FreshetError(
                "--items-id and --attributes name columns of a file with items; "
                "name that file with --items"
            )
        return None
    item = arguments.items_id or arguments.item
    if not item:
        raise FreshetError("--items also needs --items-id or --item: the column with the item's id")
    return ItemColumns(
        path=path,
        item=item,
        title=arguments.title,
        text=arguments.text,
        attributes=arguments.attributes,
    )


def read_source(path: Path, columns: Columns | None = None) -> Source:
    """Open a data set; raise FreshetError with the message of the source."""
    from sources.formats import open_source
    from sources.source import SourceError

    try:
        return open_source(path, columns)
    except SourceError as error:
        raise FreshetError(str(error)) from error
