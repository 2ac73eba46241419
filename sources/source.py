"""What every public data set becomes: raw items, and raw events in time order.

Knows no publisher and no validation: the records go through `recommender.events` at intake like
anybody's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sources.interactions import Interactions

RawRecord = dict[str, object]
_SHOWN_CHARACTERS = 80


class SourceError(ValueError):
    """A data set that can't be read: which file, where in it, what was found, what was expected."""

    def __init__(
        self,
        file: str,
        *,
        expected: str,
        found: str | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        where = "".join(
            [
                file,
                f", line {line}" if line is not None else "",
                f", column {column}" if column is not None else "",
            ]
        )
        shown = "" if found is None else f"found {found}, "
        super().__init__(f"{where}: {shown}expected {expected}")


def excerpt(text: str) -> str:
    """Return what an error shows of a line that may be of any length and hold anything."""
    shown = repr(text)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 3] + "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One row that is no record; the line, its first, counts from 1 as editors do. Equal faults have the same reason."""

    file: str
    line: int
    reason: str
    num_lines: int = 1


def each_once(
    file: str, items: Iterable[tuple[int, RawRecord]]
) -> tuple[list[RawRecord], list[Reject]]:
    """Return the first item of each id, and rejects for the lines of the others."""
    first: dict[object, RawRecord] = {}
    repeated: list[Reject] = []
    for line, item in items:
        if first.setdefault(item["item_id"], item) is not item:
            repeated.append(Reject(file=file, line=line, reason="the item stands before it"))
    return list(first.values()), repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set, opened. `items` and `events` may be read again; events come in time order, ties in the order of the file.
    `read_rejects` gives the rows that are no records, with what lies there in the file.

    An item's id names file and line, an event's comes from what it says, so that reading a data set
    again gives the same ids. `items_file` is where the items come from, `events_path` what messages
    call the events' file, `called` what it calls the fields of its records. `warnings` are about
    the files as a whole; what the rejects and the events say is not among them.
    """

    name: str
    items: Iterable[RawRecord]
    num_items: int
    items_file: str
    events_path: str
    called: Mapping[str, str]
    events: Interactions
    rejects: tuple[Reject, ...]
    read_rejects: Callable[[Iterable[Reject]], Iterator[tuple[Reject, str]]]
    warnings: tuple[str, ...] = ()

    def is_linked(self) -> bool:
        """Tell whether an event is about an item that is listed, or none is listed."""
        with_events = frozenset(self.events.item_ids)
        return self.num_items == 0 or any(item["item_id"] in with_events for item in self.items)

    def reasons(self) -> dict[str, int]:
        """Count the rejected rows by reason, the most frequent first."""
        return dict(Counter(reject.reason for reject in self.rejects).most_common())
