"""What single cells of delimited text mean: ids, the words that databases write for nothing, numbers that are none.

Knows no file and no publisher. Parquet has types for all this, so its values do not come here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_NOTHING = frozenset({"", r"\N", "NULL", "NaN", "nan", "None"})  # MySQL and Hive, psql, pandas, Python
_WHOLE_AS_FLOAT = re.compile(r"-?[0-9]+\.0")  # a missing id makes pandas store and write all of a column as floats
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


def id_of(cell: str) -> str:
    """Return an id without blanks around it, a whole number without `.0`; empty where there is none."""
    text = cell.strip()
    if text in _NOTHING:
        return ""
    return text[:-2] if text.endswith(".0") and _WHOLE_AS_FLOAT.fullmatch(text) else text


def ids_of(cells: pd.Series | Sequence[str]) -> NDArray[np.object_]:
    """Return `id_of` each cell; equal ones, of which there are many, are looked at once."""
    places_N, uniques = pd.factorize(cells if isinstance(cells, pd.Series) else np.asarray(cells, dtype=object))
    return np.array([id_of(str(one)) for one in uniques], dtype=object)[places_N]


def values_of(cells: Sequence[str]) -> list[str]:
    """Return cells as they are, empty where they say that there is nothing."""
    return ["" if cell in _NOTHING else cell for cell in cells]


def expected_number(cell: str, what: str = "a number") -> str:
    """Return what is said of a cell that is no number."""
    return f"expected {what}; a decimal comma?" if _DECIMAL_COMMA.fullmatch(cell.strip()) else f"expected {what}"


def expected_width(width: int) -> str:
    """Return what is said of a row that has not as many columns as its file, the same however many it has."""
    return f"expected {width} columns, found another number"
