"""What a single cell of text means: an id, a text, a number, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.records.nobody import is_nobody

Cells = pd.Series | Sequence[str] | NDArray[Any]
FOR_NOBODY = "is a word for nobody"
_NO_TEXT = frozenset({"", r"\N", "NULL", "null", "NaN", "nan", "None", "NA", "<NA>", "N/A"})
# If one id is missing, pandas stores and writes the whole column as floats.
_WHOLE_AS_FLOAT = re.compile(r"-?[0-9]+\.0")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


def id_of(cell: str) -> str:
    """Return an id without surrounding blanks, or empty if the cell has none.

    A whole number loses its `.0`.
    """
    text = cell.strip()
    if is_nobody(text):
        return ""
    return text[:-2] if text.endswith(".0") and _WHOLE_AS_FLOAT.fullmatch(text) else text


def ids_of(cells: Cells) -> NDArray[np.object_]:
    """Return the id of each cell."""
    return map_distinct(id_of, cells)


def map_distinct(read: Callable[[str], str], cells: Cells) -> NDArray[np.object_]:
    """Apply a function to each cell, calling it once for equal cells."""
    places_N, uniques = pd.factorize(
        cells if isinstance(cells, pd.Series) else np.asarray(cells, dtype=object)
    )
    return np.array([read(str(one)) for one in uniques], dtype=object)[places_N]


def text_of(cell: str) -> str:
    """Return a title or text; empty if the cell says that there is none."""
    return "" if cell.strip() in _NO_TEXT else cell


def number_text(cell: str) -> str:
    """Return the text of a number; empty if the cell says that there is none."""
    text = cell.strip()
    return "" if is_nobody(text) else text


def expected_id(cell: str) -> str:
    """Return the reason to reject a cell that is not an id."""
    return f"{cell.strip()} {FOR_NOBODY}, expected an id" if is_nobody(cell) else "expected an id"


def expected_number(cell: str, what: str = "a number") -> str:
    """Return the reason to reject a cell that is not a number."""
    return (
        f"expected {what}; does it have a decimal comma?"
        if _DECIMAL_COMMA.fullmatch(cell.strip())
        else f"expected {what}"
    )


def expected_width(width: int) -> str:
    """Return the reason to reject a row with a wrong number of columns.

    It does not contain that number, so that such rows are counted together.
    """
    return f"expected {width} columns, found another number"
