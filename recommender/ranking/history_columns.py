"""Histories as the ranker reads them: rows of the catalogue and of free texts, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class HistoryElement(NamedTuple):
    """One action of a user on a row of the catalogue, or on a free text.

    `text_row` is the text's row in the text vectors of the batch.
    """

    row: int | None = None
    text_row: int | None = None
    type: str = "other"
    rating: float | None = None
    at_s: float | None = None

    def place(self, num_items: int) -> int:
        """Return the row among the catalogue's and, after them, those of the texts."""
        if self.row is not None:
            return self.row
        if self.text_row is None:
            raise ValueError("a history element needs a row or a text_row")
        return num_items + self.text_row


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryColumns:
    """A history as rows of the catalogue, oldest first, in equally long columns.

    Rows of free texts follow the catalogue's.
    """

    rows: Sequence[int] = ()
    types: Sequence[str] = ()
    ratings: Sequence[float | None] = ()
    at_s: Sequence[float | None] = ()

    @classmethod
    def of(cls, elements: AnyHistory, num_items: int) -> HistoryColumns:
        """Return elements as columns, if they are not already; the catalogue has `num_items`."""
        if isinstance(elements, HistoryColumns):
            return elements
        listed = list(elements)
        if not listed:
            return cls()
        _, _, types, ratings, at_s = zip(*listed, strict=True)
        rows = [one.place(num_items) for one in listed]
        return cls(rows=rows, types=types, ratings=ratings, at_s=at_s)

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self.rows)

    def newest(self, num: int) -> HistoryColumns:
        """Return the newest elements, at most `num`."""
        if len(self) <= num:
            return self
        newest = slice(len(self) - num, None)
        return HistoryColumns(
            rows=self.rows[newest],
            types=self.types[newest],
            ratings=self.ratings[newest],
            at_s=self.at_s[newest],
        )


AnyHistory = Sequence[HistoryElement] | HistoryColumns
