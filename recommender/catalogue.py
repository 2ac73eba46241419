"""The catalogue: the row, title, text and attributes of each item. Rows are only appended.

An id is the client's string and a row is our integer; only this file converts between them. It
imports no torch and holds no vectors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

Value = str | float | tuple[str, ...]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


class UnknownAttribute(KeyError):
    """A filter names an attribute that no item has."""

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        self.name = name
        self.known = known
        super().__init__(
            f"no item has the attribute {name!r}; the attributes are {', '.join(known) or 'none'}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueItem:
    """One row. `title` is None for an item that is known only from events."""

    item_id: str
    title: str | None = None
    text: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    hidden: bool = False


def item_text(title: str | None, text: str | None) -> str | None:
    """Return the text that the encoder reads of an item; None without title and text.

    It is the title followed by the text, or the text alone when it begins with the title.
    """
    parts = [part.strip() for part in (title, text) if part is not None and part.strip()]
    if len(parts) == 2 and parts[1].startswith(parts[0]):
        return parts[1]
    return ". ".join(parts) or None


class Catalogue:
    """All items by row. It is immutable: `with_items` returns a new catalogue."""

    def __init__(self, items: Iterable[CatalogueItem] = ()) -> None:
        self.items = tuple(items)
        self._rows = {item.item_id: row for row, item in enumerate(self.items)}
        if len(self._rows) != len(self.items):
            raise ValueError(
                f"a catalogue of {len(self.items)} items has "
                f"{len(self.items) - len(self._rows)} repeated ids"
            )
        self._title_rows: dict[str, int] = {}
        for row, item in enumerate(self.items):
            if item.title is not None:
                self._title_rows.setdefault(item.title, row)

    def __len__(self) -> int:
        return len(self.items)

    def row(self, item_id: str) -> int | None:
        """Return the row of an id; None when it is unknown."""
        return self._rows.get(item_id)

    def row_of_title(self, title: str) -> int | None:
        """Return the first row with exactly this title."""
        return self._title_rows.get(title)

    def text(self, row: int) -> str | None:
        """Return the text that the encoder reads of a row."""
        return item_text(self.items[row].title, self.items[row].text)

    @cached_property
    def hidden_N(self) -> Mask:
        """A mask of the rows that are never recommended."""
        return np.fromiter(
            (item.hidden for item in self.items), dtype=np.bool_, count=len(self.items)
        )

    def with_items(self, items: Iterable[CatalogueItem]) -> tuple[Catalogue, tuple[int, ...]]:
        """Return a catalogue with these items, and the new or changed rows in ascending order.

        Unknown items are appended in the order given, known ones are replaced. An item without a
        title is known only from events and never replaces a record.
        """
        merged = list(self.items)
        rows = dict(self._rows)
        changed: set[int] = set()
        for item in items:
            row = rows.get(item.item_id)
            if row is None:
                row = rows[item.item_id] = len(merged)
                merged.append(item)
                changed.add(row)
            elif item.title is not None and item != merged[row]:
                merged[row] = item
                changed.add(row)
        return (Catalogue(merged), tuple(sorted(changed))) if changed else (self, ())

    def filter_rows(self, wanted: Mapping[str, Value]) -> Mask:
        """Mark the rows whose attributes match every key of `wanted`; raise UnknownAttribute.

        An attribute matches when it equals the wanted value or is a list that contains it. Of a
        list of wanted values, one match is enough. A number also matches its decimal string, since
        a query string has no numbers.
        """
        allowed_N = np.ones(len(self.items), dtype=np.bool_)
        for name, value in wanted.items():
            rows_of_value = self._rows_of_attribute.get(name)
            if rows_of_value is None:
                raise UnknownAttribute(name, known=tuple(sorted(self._rows_of_attribute)))
            matching_N = np.zeros(len(self.items), dtype=np.bool_)
            for one in set(value) if isinstance(value, tuple) else (value,):
                if (rows := rows_of_value.get(one)) is not None:
                    matching_N[rows] = True
            allowed_N &= matching_N
        return allowed_N

    @cached_property
    def _rows_of_attribute(self) -> dict[str, dict[str | float, Rows]]:
        index: dict[str, dict[str | float, list[int]]] = {}
        for row, item in enumerate(self.items):
            for name, value in item.attributes.items():
                rows_of_value = index.setdefault(name, {})
                for key in _keys(value):
                    rows_of_value.setdefault(key, []).append(row)
        return {
            name: {key: np.array(rows) for key, rows in rows_of_value.items()}
            for name, rows_of_value in index.items()
        }

    def save(self, path: Path) -> None:
        """Write one item a line, in row order."""
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(_to_json(item) + "\n" for item in self.items)

    @staticmethod
    def load(path: Path) -> Catalogue:
        """Read what `save` wrote; raise ValueError with the line that is not valid."""
        items = []
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    items.append(_from_json(line))
                except (ValueError, TypeError, AttributeError, KeyError) as error:
                    raise ValueError(
                        f"{path}, line {number}: not a valid catalogue item ({error})"
                    ) from error
        return Catalogue(items)


def _keys(value: Value) -> tuple[str | float, ...]:
    """Return the values by which a filter finds an attribute."""
    if isinstance(value, tuple):
        return value
    return (value, f"{value:.15g}") if isinstance(value, float) else (value,)


def _to_json(item: CatalogueItem) -> str:
    values = {
        "item_id": item.item_id,
        "title": item.title,
        "text": item.text,
        "attributes": {name: item.attributes[name] for name in sorted(item.attributes)},
        "hidden": item.hidden,
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _from_json(line: str) -> CatalogueItem:
    values = json.loads(line)
    values["attributes"] = read_attributes(values["attributes"])
    return CatalogueItem(**values)


def read_attributes(raw: Mapping[str, object]) -> dict[str, Value]:
    """Convert attributes from JSON: lists become tuples, whole numbers become floats."""
    attributes: dict[str, Value] = {}
    for name, value in raw.items():
        if isinstance(value, list):
            attributes[name] = tuple(str(part) for part in value)
        elif isinstance(value, str):
            attributes[name] = value
        elif isinstance(value, int | float):
            attributes[name] = float(value)
        else:
            raise ValueError(f"attribute {name} is not a string, a number or a list of strings")
    return attributes
