"""The items of a catalogue as columns, which a file maps, with the indexes that find them.

Suffix N: one entry per item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recommender.arrays.key_index import KeyIndex
from recommender.arrays.mapped_arrays import map_arrays, save_arrays
from recommender.arrays.text_column import TextColumn, TextColumnBuilder
from recommender.catalogue.attribute_index import AttributeIndex, Value
from recommender.catalogue.word_index import WordIndex
from recommender.records.ids import MAX_ID_CHARS

# Up to this size ids are found by a dict, which answers sooner and takes .1 s to build.
MAX_DICT_ITEMS = 200_000
# Up to this size the words of titles are indexed with the first search where a file of an earlier
# version lacks their index, which takes .2 s; in a larger one titles are then not searched.
MAX_LATE_TITLES = 20_000
# In a larger catalogue the rows of this many ids are kept, since popular items are asked for often.
IDS_KEPT = 65_536
_WORDS = "title_words"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueItem:
    """One row. `title` is None for an item that is known only from events."""

    item_id: str
    title: str | None = None
    text: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    hidden: bool = False


class CatalogueColumns:
    """Items by row. It is immutable; indexes that a file lacks are built when they are needed."""

    def __init__(
        self,
        *,
        ids: TextColumn,
        titles: TextColumn,
        texts: TextColumn,
        attributes: TextColumn,
        hidden_N: npt.NDArray[np.bool_],
    ) -> None:
        self.ids, self.titles, self.texts = ids, titles, texts
        self.hidden_N = hidden_N
        self._attributes = attributes  # as JSON; None for an item without any
        self._id_index: KeyIndex | None = None
        self._kept_rows: dict[str, int] = {}

    @classmethod
    def of(cls, items: Iterable[CatalogueItem]) -> CatalogueColumns:
        """Return the items as columns; they are read once, one at a time."""
        ids, titles, texts, attributes = (TextColumnBuilder() for _ in range(4))
        hidden = bytearray()
        for item in items:
            ids.append(item.item_id)
            titles.append(item.title)
            texts.append(item.text)
            attributes.append(_attributes_json(item.attributes))
            hidden.append(item.hidden)
        return cls(
            ids=ids.column(),
            titles=titles.column(),
            texts=texts.column(),
            attributes=attributes.column(),
            hidden_N=np.frombuffer(hidden, np.bool_),
        )

    @classmethod
    def map(cls, path: Path, *, max_late_titles: int = MAX_LATE_TITLES) -> CatalogueColumns:
        """Return the columns of a file; raise OSError, or ValueError for a damaged file."""
        arrays = map_arrays(path)
        try:
            names = ("ids", "titles", "texts", "attributes")
            columns = cls(
                **{name: TextColumn.from_arrays(arrays, name) for name in names},
                hidden_N=arrays["hidden"].view(np.bool_),
            )
            if len({len(arrays[f"{name}.has"]) for name in names} | {len(columns.hidden_N)}) != 1:
                raise ValueError("its columns differ in length")
            columns.title_index = KeyIndex.from_arrays(arrays, "title_index")
            columns.attribute_index = AttributeIndex.from_arrays(arrays)
            if f"{_WORDS}.has" in arrays:
                columns.word_index = WordIndex.from_arrays(arrays, _WORDS)
            elif len(columns) > max_late_titles:
                columns.word_index = WordIndex.build([None] * len(columns))
            if "id_index.hashes" in arrays:
                columns._id_index = KeyIndex.from_arrays(arrays, "id_index")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"{path}: not a valid catalogue ({error})") from error
        return columns

    def save(self, path: Path, *, max_dict_items: int = MAX_DICT_ITEMS) -> None:
        """Write the columns and their indexes; ids get one above `max_dict_items`."""
        arrays = {
            **self.ids.arrays("ids"),
            **self.titles.arrays("titles"),
            **self.texts.arrays("texts"),
            **self._attributes.arrays("attributes"),
            **self.title_index.arrays("title_index"),
            **self.word_index.arrays(_WORDS),
            **self.attribute_index.arrays(),
            "hidden": self.hidden_N.view(np.uint8),
        }
        if len(self) > max_dict_items:
            arrays |= (self._id_index or KeyIndex.build(self.ids)).arrays("id_index")
        save_arrays(arrays, path)

    def __len__(self) -> int:
        return len(self.hidden_N)

    def __getitem__(self, row: int) -> CatalogueItem:
        return CatalogueItem(
            item_id=self.ids[row] or "",
            title=self.titles[row],
            text=self.texts[row],
            attributes=self.attributes(row),
            hidden=bool(self.hidden_N[row]),
        )

    def attributes(self, row: int) -> dict[str, Value]:
        """Return the attributes of a row."""
        raw = self._attributes[row]
        return {} if raw is None else read_attributes(json.loads(raw))

    def row(self, item_id: str) -> int | None:
        """Return the row of an id; None when it is unknown."""
        if self._id_index is None:
            return self._row_of_id.get(item_id)
        row = self._kept_rows.get(item_id)
        if row is None and len(item_id) <= MAX_ID_CHARS:
            row = next(self._id_index.rows(item_id, self.ids), None)
            if row is not None:
                if len(self._kept_rows) == IDS_KEPT:
                    self._kept_rows.clear()
                self._kept_rows[item_id] = row
        return row

    def rows(self, item_ids: Sequence[str]) -> list[int | None]:
        """Return the row of each id, as `row` does, at a fifth of the time."""
        if self._id_index is None:
            return list(map(self._row_of_id.get, item_ids))
        rows = list(map(self._kept_rows.get, item_ids))
        if None in rows:
            rows = list(map(self.row, item_ids))
        return rows

    def rows_of_title(self, title: str) -> Iterator[int]:
        """Yield the rows with exactly this title, ascending."""
        return self.title_index.rows(title, self.titles)

    @cached_property
    def title_index(self) -> KeyIndex:
        """The rows by their titles."""
        return KeyIndex.build(self.titles)

    @cached_property
    def word_index(self) -> WordIndex:
        """The rows by the words of their titles."""
        return WordIndex.build(self.titles)

    @cached_property
    def attribute_index(self) -> AttributeIndex:
        """The rows by the values of their attributes."""
        return AttributeIndex.build(self._attributes_by_row())

    @cached_property
    def _row_of_id(self) -> dict[str | None, int]:
        return {item_id: row for row, item_id in enumerate(self.ids)}

    def _attributes_by_row(self) -> Iterator[tuple[int, Mapping[str, Value]]]:
        for row, raw in enumerate(self._attributes):
            if raw is not None:
                yield row, read_attributes(json.loads(raw))


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


def _attributes_json(attributes: Mapping[str, Value]) -> str | None:
    if not attributes:
        return None
    return json.dumps(
        {name: attributes[name] for name in sorted(attributes)},
        ensure_ascii=False,
        separators=(",", ":"),
    )
