"""A part of a data set's timeline, FROM:TO as shares of its events, and what `make serve` noted about its own part."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT

if TYPE_CHECKING:  # pandas, which only reading needs
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
_TABLE = "any table with a row an event, CSV, TSV, JSON lines or Parquet: say what its columns are (--user, --item and --at at least)"

# in var: {"path", "part"} of the data that was ingested at the first start; a path inside the
# checkout is relative to it, so that a moved checkout still finds it
NOTE = "demo.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """From one share of the events to another, in time order; neighbouring parts share no event and leave none out."""

    first: float = 0.0
    last: float = 1.0

    def bounds(self, num_events: int) -> tuple[int, int]:
        """Return the index of the first event and of the one after the last."""
        return round(self.first * num_events), round(self.last * num_events)

    def __str__(self) -> str:
        return f"{self.first:g}:{self.last:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """Which part of which data was ingested at the first start."""

    path: Path
    part: Part


def parse_part(text: str) -> Part:
    """Parse FROM:TO; argparse turns the error into a usage message."""
    first, _, last = text.partition(":")
    try:
        part = Part(first=float(first), last=float(last))
    except ValueError:
        part = Part(first=1.0, last=0.0)
    if not 0 <= part.first < part.last <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no part; expected FROM:TO with shares from 0 to 1, such as 0:0.8"
        )
    return part


def read_note(var: Path) -> Ingested | None:
    """Return what was ingested at the first start; None when nothing was. Raise FreshetError for a note that does not say it."""
    file = var / NOTE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return Ingested(path=noted_path(raw["path"]), part=parse_part(raw["part"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, argparse.ArgumentTypeError) as error:
        raise FreshetError(
            f"{file} is damaged; delete it, and name the data: python -m cron replay PATH --part 0.8:1"
        ) from error


def noted_path(path: str) -> Path:
    """Return the absolute path that a note means."""
    return PROJECT_ROOT / path


def add_column_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name the columns of a table."""
    group = parser.add_argument_group(_TABLE)
    for role, what in _COLUMNS.items():
        group.add_argument(f"--{role}", metavar="COLUMN", help=what)
    types = "what cells of --type mean, such as 1=click,0=impression; words such as view, pv, buy are known"
    group.add_argument("--types", type=parse_types, default={}, metavar="CELL=TYPE,...", help=types)
    header = "the columns of a file without a header, such as user,item,time; none: they are called 1, 2, 3, ..."
    group.add_argument("--header", type=parse_header, metavar="NAME,...", help=header)
    group.add_argument(
        "--parts", action="store_true", help="all tables in the folder are parts of one"
    )


def add_item_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name a second file, which lists the items, and its columns."""
    group = parser.add_argument_group(
        "a second file for such a table, with a row an item; --title and --text then name columns of it"
    )
    group.add_argument("--items", type=Path, metavar="FILE", help="the file that lists the items")
    group.add_argument(
        "--items-id", metavar="COLUMN", help="the item's id in that file (default: as --item)"
    )
    group.add_argument(
        "--attributes",
        type=_names,
        default=(),
        metavar="NAME,...",
        help="columns of that file to filter by",
    )


def parse_types(text: str) -> dict[str, str]:
    """Parse CELL=TYPE,CELL=TYPE; argparse turns the error into a usage message."""
    pairs = [pair.rpartition("=") for pair in text.split(",")]
    if not all(cell.strip() and name.strip() for cell, _, name in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} gives no types; expected CELL=TYPE,CELL=TYPE, such as 1=click,0=impression"
        )
    return {cell.strip(): name.strip() for cell, _, name in pairs}


def parse_header(text: str) -> tuple[str, ...]:
    """Parse names of columns, `none` as no names; argparse turns the error into a usage message."""
    return () if text.strip().lower() == "none" else _names(text)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len({*names}) < len(names):
        raise argparse.ArgumentTypeError(
            f"{text!r} are no columns; expected different names with commas between them"
        )
    return names


def columns_of(arguments: argparse.Namespace) -> Columns | None:
    """Return the named columns, None when none was; raise FreshetError when a needed one is missing."""
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
        raise FreshetError(
            f"a table needs {', '.join(missing)} too: the column with {_COLUMNS[missing[0].removeprefix('--')]}"
        )
    if arguments.types and not named["type"]:
        raise FreshetError("--types needs --type too: the column whose cells it gives a meaning")
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
    """Return the columns of the file that lists the items, None without one; raise FreshetError for columns of no file."""
    from sources.tables.columns import ItemColumns

    path = getattr(arguments, "items", None)  # replay sends events only
    if path is None:
        if getattr(arguments, "items_id", None) or getattr(arguments, "attributes", None):
            raise FreshetError(
                "--items-id and --attributes are columns of the file that --items names; name it too"
            )
        return None
    item = arguments.items_id or arguments.item
    if not item:
        raise FreshetError(
            "--items needs --items-id, or --item, too: the column with the item's id"
        )
    return ItemColumns(
        path=path,
        item=item,
        title=arguments.title,
        text=arguments.text,
        attributes=arguments.attributes,
    )


def read_source(path: Path, columns: Columns | None = None) -> Source:
    """Open a data set; raise FreshetError with the source's own sentence."""
    from sources.formats import open_source
    from sources.source import SourceError

    try:
        return open_source(path, columns)
    except SourceError as error:
        raise FreshetError(str(error)) from error
