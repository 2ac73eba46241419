"""A part of a data set's timeline, FROM:TO as shares of its events, and what `make serve` noted about its own part."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cron.errors import FreshetError
from cron.wiring import PROJECT_ROOT

if TYPE_CHECKING:  # pandas, which only reading needs
    from trainer.sources.source import Source
    from trainer.sources.table import Columns

_COLUMNS = {
    "user": "the user's id",
    "item": "the item's id",
    "at": "the time",
    "rating": "the rating; without it the events are views",
    "title": "the item's title",
    "text": "the item's text",
}

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
        raise argparse.ArgumentTypeError(f"{text!r} is no part; expected FROM:TO with shares from 0 to 1, such as 0:0.8")
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
        raise FreshetError(f"{file} is damaged; delete it, and name the data: python -m cron replay PATH --part 0.8:1") from error


def noted_path(path: str) -> Path:
    """Return the absolute path that a note means."""
    return PROJECT_ROOT / path


def add_column_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name the columns of a table."""
    group = parser.add_argument_group("any CSV, TSV or Parquet table: say what its columns are (--user, --item and --at at least)")
    for role, what in _COLUMNS.items():
        group.add_argument(f"--{role}", metavar="COLUMN", help=what)


def columns_of(arguments: argparse.Namespace) -> Columns | None:
    """Return the named columns, None when none was; raise FreshetError when a needed one is missing."""
    from trainer.sources.table import Columns

    named = {role: getattr(arguments, role) for role in _COLUMNS}
    if not any(named.values()):
        return None
    missing = [f"--{role}" for role in ("user", "item", "at") if not named[role]]
    if missing:
        raise FreshetError(f"a table needs {', '.join(missing)} too: the column with {_COLUMNS[missing[0].removeprefix('--')]}")
    return Columns(**named)


def read_source(path: Path, columns: Columns | None = None) -> Source:
    """Open a data set; raise FreshetError with the source's own sentence."""
    from trainer.sources.formats import open_source
    from trainer.sources.source import SourceError

    try:
        return open_source(path, columns)
    except SourceError as error:
        raise FreshetError(str(error)) from error
