"""A column of cells in which equal cells are stored, and read, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CellColumn:
    """Cell n is `texts[codes_N[n]]`; several codes may mean the same text."""

    codes_N: NDArray[np.int64]
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes_N)

    def __getitem__(self, row: int) -> str:
        return self.texts[int(self.codes_N[row])]

    def map(self, read: Callable[[str], str]) -> CellColumn:
        """Return what `read` returns for each cell; it is called once for equal cells."""
        return CellColumn(codes_N=self.codes_N, texts=[read(text) for text in self.texts])

    def take(self, rows: NDArray[np.intp]) -> CellColumn:
        """Return the cells of some rows."""
        return CellColumn(codes_N=self.codes_N[rows], texts=self.texts)

    def equal(self, text: str) -> NDArray[np.bool_]:
        """Tell which cells are equal to a text."""
        return np.array([one == text for one in self.texts], np.bool_)[self.codes_N]

    def values(self) -> NDArray[np.object_]:
        """Return the text of each cell."""
        return np.array([*self.texts, ""], dtype=object)[self.codes_N]


def distinct_cells(values: Sequence[str] | NDArray[np.object_] | pd.Series) -> CellColumn:
    """Return a column of texts."""
    if not isinstance(values, pd.Series):
        values = np.asarray(values, dtype=object)
    codes_N, texts = pd.factorize(values)
    return CellColumn(codes_N=codes_N.astype(np.int64), texts=[str(text) for text in texts])


def single_cells(texts: Sequence[str]) -> CellColumn:
    """Return a column of texts without looking for equal ones."""
    return CellColumn(codes_N=np.arange(len(texts)), texts=texts)
