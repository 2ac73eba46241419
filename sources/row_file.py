"""Rows of numbers in a temporary file, so that their number is limited by the disk.

A small file stays in memory.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sources.files.on_disk import disk_folder

# Codes of user, item and type; a rating of NaN means none; epoch seconds; the line in the file; and
# how many earlier rows have the same user and microsecond.
ROW = np.dtype(
    [
        ("user", np.int32),
        ("item", np.int32),
        ("type", np.int16),
        ("rating", np.float64),
        ("at", np.float64),
        ("line", np.int64),
        ("place", np.int32),
    ]
)
Rows = NDArray[Any]  # of dtype ROW
MEMORY_BYTES = 1 << 26


class RowFile:
    """Rows in the order in which they were added; nobody else sees the file."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._file = SpooledTemporaryFile[bytes](max_size=memory_bytes, dir=disk_folder())
        self._num_rows = 0
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._num_rows

    def append(self, rows: Rows) -> None:
        """Add rows at the end."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(rows.tobytes())
        self._num_rows += len(rows)

    def between(self, first: int, last: int) -> Rows:
        """Return rows `first` to `last`, excluding `last`."""
        self._file.seek(first * ROW.itemsize)
        return np.frombuffer(self._file.read(max(0, last - first) * ROW.itemsize), ROW)

    def chunks(self, first: int, last: int, *, num_rows: int) -> Iterator[Rows]:
        """Yield the same rows, up to `num_rows` at once."""
        for begin in range(first, last, num_rows):
            yield self.between(begin, min(begin + num_rows, last))

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
