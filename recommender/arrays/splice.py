"""Rows of different lengths in one array, of which some get other values.

What stays is copied in runs, so that many rows with few changes take the time of a copy.

X  rows      L  values of all rows, one row after the other
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Starts = npt.NDArray[np.int64]
Values = npt.NDArray[np.signedinteger[Any]]


def splice(values_L: Values, starts_X1: Starts, others: Mapping[int, Values]) -> Values:
    """Return the values of all rows, with `others` in place of those of some rows."""
    parts, end = list[Values](), 0
    for row in sorted(others):
        parts += [values_L[end : starts_X1[row]], others[row].astype(values_L.dtype)]
        end = int(starts_X1[row + 1])
    return np.concatenate([*parts, values_L[end:]])


def spliced_starts(starts_X1: Starts, others: Mapping[int, Values]) -> Starts:
    """Return where each row begins once `others` are in place."""
    length_X = np.diff(starts_X1)
    for row, values_L in others.items():
        length_X[row] = len(values_L)
    return starts_of(length_X)


def starts_of(length_X: npt.NDArray[np.integer[Any]]) -> Starts:
    """Return where rows of these lengths begin, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), length_X.cumsum(dtype=np.int64)])
