"""Which column of a table has which role, and rows as texts by role.

Delimited text, JSON lines and Parquet all give the same chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sources.cells.distinct import CellColumn, distinct_cells, single_cells

_ROLES = ("user", "item", "at", "rating", "type", "title", "text")
_FREQUENT = frozenset({"user", "item", "rating", "type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemColumns:
    """A file of items, one per row, and its columns; `attributes` keep their own names."""

    path: Path
    item: str
    title: str | None = None
    text: str | None = None
    images: str | None = None
    attributes: tuple[str, ...] = ()

    def by_role(self) -> dict[str, str]:
        """Return the named columns by role, attributes as `attribute NAME`."""
        named = {
            "item": self.item,
            "title": self.title,
            "text": self.text,
            "images": self.images,
        }
        roles = {role: column for role, column in named.items() if column is not None}
        return roles | {f"attribute {name}": name for name in self.attributes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column has which role.

    Without `rating` and `type` the events are views. `title` and `text` make an item of each item's
    first row. `types` maps cells of the column `type` to event types. `header` names the columns of
    a file without a header, `()` numbers them from 1, and None means that the file has a header.
    `is_parts` means that all tables of a folder are parts of one. `items` is a separate file of
    items.
    """

    user: str
    item: str
    at: str
    rating: str | None = None
    type: str | None = None
    title: str | None = None
    text: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    header: tuple[str, ...] | None = None
    is_parts: bool = False
    items: ItemColumns | None = None

    def by_role(self) -> dict[str, str]:
        """Return the named columns by role."""
        named = ((role, getattr(self, role)) for role in _ROLES)
        return {role: column for role, column in named if column is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows: first line and number of lines of each, and each role's column.

    An empty cell has nothing. If all times are whole numbers, `whole_at_N` has them, and there are
    no cells for `at`.
    """

    lines_N: NDArray[np.int64]
    num_lines: Sequence[int]
    cells: Mapping[str, CellColumn]
    whole_at_N: NDArray[np.int64] | None = None


def arrow_cells(texts: pa.Array, role: str) -> CellColumn:
    """Return a column of texts without missing ones, as `cells_by_role` does."""
    if role not in _FREQUENT:
        return single_cells(texts.to_pylist())
    encoded = texts.dictionary_encode()
    codes_N = encoded.indices.to_numpy().astype(np.int64)
    return CellColumn(codes_N=codes_N, texts=encoded.dictionary.to_pylist())


def cells_by_role(texts: Mapping[str, Sequence[str]]) -> dict[str, CellColumn]:
    """Return each role's column; equal cells are found where they are frequent."""
    columns = {}
    for role, column in texts.items():
        read = distinct_cells if role in _FREQUENT else single_cells
        columns[role] = read(column)
    return columns
