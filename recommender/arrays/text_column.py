"""Strings as arrays that a file can map: their UTF-8 bytes, and where each begins.

A million strings are three objects instead of a million. N counts rows, X bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn(Sequence[str | None]):
    """Row r is `bytes_X[starts_N1[r]:starts_N1[r + 1]]`, or None where `has_N` is false."""

    bytes_X: Bytes
    starts_N1: Offsets
    has_N: Flags

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> TextColumn:
        """Return the texts as a column; lone surrogates are kept."""
        builder = TextColumnBuilder()
        for text in texts:
            builder.append(text)
        return builder.column()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> TextColumn:
        """Return a column from what `arrays` returned; raise KeyError or ValueError."""
        column = cls(
            bytes_X=arrays[f"{name}.bytes"].view(np.uint8),
            starts_N1=arrays[f"{name}.starts"].view(np.int64),
            has_N=arrays[f"{name}.has"].view(np.bool_),
        )
        starts_N1 = column.starts_N1
        if len(starts_N1) != len(column) + 1 or starts_N1[-1] != len(column.bytes_X):
            raise ValueError(f"column {name}: its starts do not fit its bytes")
        return column

    def with_more(self, texts: Iterable[str | None]) -> TextColumn:
        """Return a column of these rows, followed by others."""
        more = TextColumn.of(texts)
        return TextColumn(
            bytes_X=np.concatenate([self.bytes_X, more.bytes_X]),
            starts_N1=np.concatenate([self.starts_N1, self.starts_N1[-1] + more.starts_N1[1:]]),
            has_N=np.concatenate([self.has_N, more.has_N]),
        )

    def arrays(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """Return the column's arrays under names that begin with `name`."""
        return {
            f"{name}.bytes": self.bytes_X,
            f"{name}.starts": self.starts_N1,
            f"{name}.has": self.has_N.view(np.uint8),
        }

    def __len__(self) -> int:
        return len(self.has_N)

    @overload
    def __getitem__(self, row: int) -> str | None: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str | None]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str | None] | None:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if not self.has_N[row]:
            return None
        begin, end = self.starts_N1[row], self.starts_N1[row + 1]
        return decode(self.bytes_X[begin:end].tobytes())

    def __iter__(self) -> Iterator[str | None]:
        whole, starts = self.bytes_X.data, self.starts_N1.tolist()
        for row, has in enumerate(self.has_N.tolist()):
            yield decode(bytes(whole[starts[row] : starts[row + 1]])) if has else None


class TextColumnBuilder:
    """Collects texts as bytes, so that a million of them are never a million objects."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._starts = array("q", [0])
        self._has = bytearray()

    def append(self, text: str | None) -> None:
        """Add a row."""
        if text is not None:
            self._bytes += encode(text)
        self._starts.append(len(self._bytes))
        self._has.append(text is not None)

    def column(self) -> TextColumn:
        """Return the rows so far; call it once, at the end."""
        return TextColumn(
            bytes_X=np.frombuffer(self._bytes, np.uint8),
            starts_N1=np.frombuffer(self._starts, np.int64),
            has_N=np.frombuffer(self._has, np.bool_),
        )


def encode(text: str) -> bytes:
    """Return a text's UTF-8 bytes; a lone surrogate gets bytes of its own."""
    return text.encode("utf-8", "surrogatepass")


def decode(raw: bytes) -> str:
    """Return the text that `encode` was given."""
    return raw.decode("utf-8", "surrogatepass")
