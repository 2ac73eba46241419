"""What single cells of delimited text mean: ids, the words that databases write for nothing, numbers that are none.

Knows no file and no publisher.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.nobody import is_nobody

Cells = pd.Series | Sequence[str] | NDArray[Any]
FOR_NOBODY = "is a word for nobody"
_NO_TEXT = frozenset({"", r"\N", "NULL", "null", "NaN", "nan", "None", "NA", "<NA>", "N/A"})
_WHOLE_AS_FLOAT = re.compile(
    r"-?[0-9]+\.0"
)  # a missing id makes pandas store and write all of a column as floats
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


def id_of(cell: str) -> str:
    """Return an id without blanks around it, a whole number without `.0`; empty where there is none."""
    text = cell.strip()
    if is_nobody(text):
        return ""
    return text[:-2] if text.endswith(".0") and _WHOLE_AS_FLOAT.fullmatch(text) else text


def ids_of(cells: Cells) -> NDArray[np.object_]:
    """Return `id_of` each cell; equal ones, of which there are many, are looked at once."""
    return each_once(id_of, cells)


def each_once(read: Callable[[str], str], cells: Cells) -> NDArray[np.object_]:
    """Return what a function makes of each cell, called once for equal ones."""
    places_N, uniques = pd.factorize(
        cells if isinstance(cells, pd.Series) else np.asarray(cells, dtype=object)
    )
    return np.array([read(str(one)) for one in uniques], dtype=object)[places_N]


def text_of(cell: str) -> str:
    """Return a title or text, empty where the cell says that there is none."""
    return "" if cell.strip() in _NO_TEXT else cell


def number_text(cell: str) -> str:
    """Return what a number is read from, empty where the cell says that there is none."""
    text = cell.strip()
    return "" if is_nobody(text) else text


def expected_id(cell: str) -> str:
    """Return what is said of a cell that is not an id."""
    return f"{cell.strip()} {FOR_NOBODY}, expected an id" if is_nobody(cell) else "expected an id"


def expected_number(cell: str, what: str = "a number") -> str:
    """Return what is said of a cell that is no number."""
    return (
        f"expected {what}; a decimal comma?"
        if _DECIMAL_COMMA.fullmatch(cell.strip())
        else f"expected {what}"
    )


def expected_width(width: int) -> str:
    """Return what is said of a row that has not as many columns as its file, the same however many it has."""
    return f"expected {width} columns, found another number"
