"""What every reader returns: raw items, and raw events in time order.

Records are not validated here. They pass `recommender.records.events` at intake like all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sources.interactions import Interactions

RawRecord = dict[str, object]
REPEATED_ITEM = "an earlier row has the same item"
REPEATED_ROW = "an earlier row is equal"
TITLE_CHARS = 500  # of a title in a file, or of the text that replaces a missing one


class SourceError(ValueError):
    """A data set can't be read: which file, where in it, what was found, what was expected."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that is not a valid record.

    `line` is its first line, counted from 1. Equal faults have equal reasons, so that they can be
    counted.
    """

    file: str
    line: int
    reason: str
    num_lines: int = 1


def first_of_each_item(
    file: str, items: Iterable[tuple[int, RawRecord]]
) -> tuple[list[RawRecord], list[Reject]]:
    """Return the first item of each id, and rejects for the lines of repeated ones."""
    first: dict[object, RawRecord] = {}
    repeated: list[Reject] = []
    for line, item in items:
        if first.setdefault(item["item_id"], item) is not item:
            repeated.append(Reject(file=file, line=line, reason=REPEATED_ITEM))
    return list(first.values()), repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An opened data set. `items`, `events` and `facts` may be read repeatedly.

    Events are in time order, ties in file order. An item's id contains file and line and an event's
    id is made of its content, so that reading a data set again gives the same ids. `items_file` and
    `facts_file` are where items and facts come from, `num_facts` is None until facts are read,
    `events_path` is the events' file in messages, and `called` maps fields of records to the file's
    names. `read_rejects` yields rejected rows with their original
    text. `warnings` are about whole files, and do not repeat rejects.
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
    facts: Iterable[RawRecord] = ()
    num_facts: int | None = 0
    facts_file: str = ""

    def is_linked(self) -> bool:
        """Return whether some event is about a listed item; true without items or events."""
        if len(self.events) == 0:
            return True
        with_events = frozenset(self.events.item_ids)
        return self.num_items == 0 or any(item["item_id"] in with_events for item in self.items)

    def reasons(self) -> dict[str, int]:
        """Count the rejected rows by reason, most frequent first."""
        return dict(Counter(reject.reason for reject in self.rejects).most_common())
