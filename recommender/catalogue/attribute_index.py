"""The rows of items by the values of their attributes, as arrays that a file can map.

V counts distinct values of attributes, R rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.arrays.key_index import KeyIndex
from recommender.arrays.text_column import TextColumn

Value = str | float | tuple[str, ...]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class AttributeIndex:
    """Rows of value v are `rows_R[starts_V1[v]:starts_V1[v + 1]]`, ascending.

    `values_V` has an attribute's name with one of its values, as JSON; `names` all names.
    """

    names: TextColumn
    values_V: TextColumn
    places: KeyIndex
    starts_V1: Rows
    rows_R: npt.NDArray[np.int32]

    @classmethod
    def build(cls, items: Iterable[tuple[int, Mapping[str, Value]]]) -> AttributeIndex:
        """Index the attributes of rows, which are given in ascending order."""
        names: set[str] = set()
        rows_of: dict[tuple[str, str | float], list[int]] = {}
        for row, attributes in items:
            names.update(attributes)
            for name, value in attributes.items():
                for one in dict.fromkeys(_values(value)):
                    rows_of.setdefault((name, one), []).append(row)
        values = TextColumn.of(_key(name, one) for name, one in rows_of)
        lengths = np.fromiter((len(rows) for rows in rows_of.values()), np.int64, len(rows_of))
        return cls(
            names=TextColumn.of(sorted(names)),
            values_V=values,
            places=KeyIndex.build(values),
            starts_V1=np.concatenate([np.zeros(1, np.int64), lengths.cumsum()]),
            rows_R=np.fromiter(
                (row for rows in rows_of.values() for row in rows), np.int32, int(lengths.sum())
            ),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> AttributeIndex:
        """Return an index from what `arrays` returned; raise KeyError or ValueError."""
        return cls(
            names=TextColumn.from_arrays(arrays, "attribute_names"),
            values_V=TextColumn.from_arrays(arrays, "attribute_values"),
            places=KeyIndex.from_arrays(arrays, "attribute_values"),
            starts_V1=arrays["attribute_rows.starts"].view(np.int64),
            rows_R=arrays["attribute_rows.rows"].view(np.int32),
        )

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the index's arrays by name."""
        return {
            **self.names.arrays("attribute_names"),
            **self.values_V.arrays("attribute_values"),
            **self.places.arrays("attribute_values"),
            "attribute_rows.starts": self.starts_V1,
            "attribute_rows.rows": self.rows_R,
        }

    def rows(self, name: str, value: str | float) -> npt.NDArray[np.int32]:
        """Return the rows whose attribute equals the value or is a list that contains it."""
        place = next(self.places.rows(_key(name, value), self.values_V), None)
        if place is None:
            return self.rows_R[:0]
        return self.rows_R[self.starts_V1[place] : self.starts_V1[place + 1]]


def _values(value: Value) -> tuple[str | float, ...]:
    """Return the values by which a filter finds an attribute.

    A number also has its decimal string, since a query string has no numbers.
    """
    if isinstance(value, tuple):
        return value
    return (value, f"{value:.15g}") if isinstance(value, float) else (value,)


def _key(name: str, value: str | float) -> str:
    # 0.0 is added because −0.0 equals 0.0 and is written differently.
    return json.dumps([name, value + 0.0 if isinstance(value, float) else value])
