"""What every public data set becomes: a stream of raw items and a stream of raw events in time order.

Knows no publisher and no validation: the records go through `recommender.events` at intake like anybody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

RawRecord = dict[str, object]


class SourceError(ValueError):
    """A data set that can't be read: which file, where in it, what was found, what was expected."""

    def __init__(self, file: str, *, expected: str, found: str | None = None, line: int | None = None, column: str | None = None) -> None:
        where = "".join([file, f", line {line}" if line is not None else "", f", column {column}" if column is not None else ""])
        shown = "" if found is None else f"found {found if len(found) <= 80 else found[:77] + '...'}, "
        super().__init__(f"{where}: {shown}expected {expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One row that is no record; the line counts from 1 as editors do."""

    file: str
    line: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set, opened. `items` and `events` are read once; events come in time order, ties in the order of the file.

    Event ids name file and line, so that reading a data set again gives the same ids. `first_at_s` and `last_at_s` are epoch seconds of
    the first and last event.
    """

    name: str
    licence: str
    items: Iterator[RawRecord]
    events: Iterator[RawRecord]
    num_items: int
    num_events: int
    first_at_s: float
    last_at_s: float
    rejects: tuple[Reject, ...]


def record_id(file_sha256: str, line: int) -> str:
    """Return the event id of a line of a file; ids of one file sort by line."""
    return f"{file_sha256[:12]}:{line:09}"
