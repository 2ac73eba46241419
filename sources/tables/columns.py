"""Which column of a table has which role, and rows as texts by role.

Delimited text, JSON lines and Parquet all give the same chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_ROLES = ("user", "item", "at", "rating", "type", "title", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemColumns:
    """A file of items, one per row, and its columns; `attributes` keep their own names."""

    path: Path
    item: str
    title: str | None = None
    text: str | None = None
    attributes: tuple[str, ...] = ()

    def by_role(self) -> dict[str, str]:
        """Return the named columns by role, attributes as `attribute NAME`."""
        named = {"item": self.item, "title": self.title, "text": self.text}
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
    """Rows: first line and number of lines of each, and each role's column as texts.

    Empty means that the cell has nothing.
    """

    lines_N: NDArray[np.int64]
    num_lines: Sequence[int]
    texts: Mapping[str, Sequence[str]]
