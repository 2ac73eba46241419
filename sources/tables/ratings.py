"""Files of ratings with millions of rows, read in pandas one block at a time.

A row that is not valid becomes a Reject with its line. The rest of the file is read.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sources.cells.distinct import distinct_cells
from sources.cells.event_types import TypeNames, fault_of
from sources.cells.times import EXPECTED_TIME, MILLISECONDS_FROM, times_of
from sources.cells.values import (
    expected_id,
    expected_number,
    expected_width,
    ids_of,
    map_distinct,
    number_text,
)
from sources.files.blocks import Blocks
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.files.limits import ReadLimits
from sources.gathering import Gathering
from sources.interactions import Interactions
from sources.source import REPEATED_ROW, Reject
from sources.tables.quoted import OPEN_QUOTE, expect_header
from sources.tables.rows import no_good_row

COLUMNS = ("user_id", "item_id", "rating", "at")
CALLED = {name: name for name in COLUMNS} | {"at": "timestamp"}
_QUOTED = re.compile(rb'(?<![^,\n])"([^",\r\n]*)"(?=[,\r\n]|\Z)')  # a whole cell


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsFormat:
    """How the rows of a file are written.

    `columns` has each name of COLUMNS once, at its place in the file, and any other name elsewhere.
    Without a column `rating` the rows are interactions. A column `type` has types of events. Times
    are divided by `ticks_per_s`. With `once`, a repeated row is rejected. `scale` is the
    publisher's smallest and greatest rating. `called` maps COLUMNS to the file's names. With
    `may_lack_rating`, an empty rating means none. With `has_named_times`, times may be texts such
    as ISO 8601; with `has_any_unit`, numbers may be milliseconds too.
    """

    separator: bytes
    columns: tuple[str, ...]
    has_header: bool
    called: Mapping[str, str]
    ticks_per_s: float = 1.0
    once: bool = False
    scale: tuple[float, float] = (-math.inf, math.inf)
    may_lack_rating: bool = False
    has_named_times: bool = False
    has_any_unit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Good rows in time order, and rejects by line. `called` maps COLUMNS to the file's names."""

    interactions: Interactions
    called: Mapping[str, str]
    rejects: tuple[Reject, ...]


def named_columns(
    path: str, header: Sequence[str], names: Mapping[str, str], delimiter: str = ","
) -> tuple[str, ...]:
    """Return a header with the columns renamed as in COLUMNS, and others empty.

    Unless each column is there once, raise SourceError.
    """
    expect_header(path, header, list(names), delimiter)
    return tuple(names.get(name, "") for name in header)


def read_ratings(folder: DataFolder, file: str, form: RatingsFormat) -> Ratings:
    """Read ratings; raise SourceError when no row is good."""
    gathering, rejects = Gathering(), list[Reject]()
    blocks, first_line = Blocks(folder, file), 1
    for block in blocks:
        num_lines, wrong = _read_block(block, file, form, first_line, gathering)
        rejects += wrong
        first_line += num_lines
        if is_hopeless(rejects, gathering, folder.limits):
            break
    if not len(gathering):
        raise no_good_row(
            folder,
            file,
            rejects,
            f"rows of {', '.join(form.called[name] for name in COLUMNS if name in form.columns)}",
        )
    interactions, repeated = gathering.interactions(file, blocks.sha256, once=form.once)
    rejects += [Reject(file=file, line=line, reason=REPEATED_ROW) for line in repeated]
    return Ratings(
        interactions=interactions,
        called=form.called,
        rejects=tuple(sorted(rejects, key=lambda reject: reject.line)),
    )


def is_hopeless(rejects: Sequence[Reject], gathering: Gathering, limits: ReadLimits) -> bool:
    """Return whether a file has had many bad rows and no good one, so that reading can stop."""
    return len(rejects) >= limits.hopeless_rows and not len(gathering)


def _read_block(
    block: bytes, file: str, form: RatingsFormat, first_line: int, gathering: Gathering
) -> tuple[int, list[Reject]]:
    """Add a block's good rows; return its number of lines and the rejects."""
    block = _utf8(block)
    if form.separator == b"," and b'"' in block:
        block = _QUOTED.sub(rb"\1", block)
    if len(form.separator) > 1:  # pandas is fast only with one character, and these are numbers
        block = block.replace(form.separator, b"\t")
    separator = form.separator if len(form.separator) == 1 else b"\t"
    lines = _BlockLines(block, separator, first_line)
    fitting = lines.widths == len(form.columns)
    header = 1 if form.has_header and first_line == 1 else 0
    odd = [
        int(index)
        for index in np.flatnonzero(~fitting[header:]) + header
        if lines.holds_something(int(index))
    ]
    fitting[:header] = False
    rejects = [lines.reject(file, index, expected_width(len(form.columns))) for index in odd]
    broken, block = lines.without_carriage_returns()
    faults = {
        "a carriage return inside the row": broken,
        OPEN_QUOTE: lines.with_quotes() if form.separator == b"," else broken[:0],
    }
    for reason, indices in faults.items():
        rejects += [
            lines.reject(file, index, reason) for index in indices[fitting[indices]].tolist()
        ]
        fitting[indices] = False
    good = np.flatnonzero(fitting)
    if len(good):
        frame = _parse(block, separator, form.columns, skipped=np.flatnonzero(~fitting))
        frame["index"] = good
        frame, wrong = _check_values(frame, form)
        rejects += [lines.reject(file, index, reason) for index, reason in wrong]
        gathering.add(
            users=distinct_cells(frame["user_id"]),
            items=distinct_cells(frame["item_id"]),
            ratings=frame["rating"] if "rating" in frame else np.full(len(frame), np.nan),
            at=frame["at"] / form.ticks_per_s,
            lines=frame["index"] + first_line,
            types=distinct_cells(frame["type"]) if "type" in frame else None,
        )
    return len(lines.widths), rejects


class _BlockLines:
    """The lines of a block by index. `widths` is the number of columns of each.

    Lines are cut out on demand: a list of millions of lines would be larger than the block.
    """

    def __init__(self, data: bytes, separator: bytes, first_line: int) -> None:
        characters = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(characters == ord("\n")).astype(np.int64)
        if len(characters) and (not len(ends) or ends[-1] != len(characters) - 1):
            ends = np.append(ends, len(characters))  # the last line has no line break
        separators = np.flatnonzero(characters == ord(separator))
        self.widths: NDArray[np.int64] = np.diff(np.searchsorted(separators, ends), prepend=0) + 1
        self._characters = characters
        self._data = data
        self._ends = ends
        self._first_line = first_line

    def without_carriage_returns(self) -> tuple[NDArray[np.int64], bytes]:
        """Return the lines with a carriage return inside, and the data without those characters.

        pandas would take them for line ends. Lines are given by index.
        """
        returns = np.flatnonzero(self._characters == ord("\r"))
        inside = returns[~np.isin(returns + 1, self._ends)]
        if not len(inside):
            return inside, self._data
        characters = self._characters.copy()
        characters[inside] = ord(" ")
        return np.unique(np.searchsorted(self._ends, inside)), characters.tobytes()

    def with_quotes(self) -> NDArray[np.int64]:
        """Return the indices of lines that have a quote."""
        return np.unique(np.searchsorted(self._ends, np.flatnonzero(self._characters == ord('"'))))

    def holds_something(self, index: int) -> bool:
        begin = int(self._ends[index - 1]) + 1 if index else 0
        return bool(self._data[begin : int(self._ends[index])].strip(b" \r"))

    def reject(self, file: str, index: int, reason: str) -> Reject:
        return Reject(file=file, line=index + self._first_line, reason=reason)


def _parse(
    data: bytes, separator: bytes, columns: Sequence[str], *, skipped: NDArray[np.int64]
) -> pd.DataFrame:
    places = [place for place, name in enumerate(columns) if name in (*COLUMNS, "type")]
    frame = pd.read_csv(
        io.BytesIO(data),
        sep=separator.decode(),
        header=None,
        names=range(len(columns)),
        usecols=places,
        dtype=str,
        skiprows=skipped.tolist(),
        skip_blank_lines=False,
        keep_default_na=False,
        quoting=3,  # QUOTE_NONE
        encoding="utf-8",
        encoding_errors="replace",
    )
    return frame.set_axis([columns[place] for place in places], axis=1)


def _check_values(
    frame: pd.DataFrame, form: RatingsFormat
) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """Return the valid rows, with numbers converted, and the indices and faults of the others."""
    good = np.ones(len(frame), np.bool_)
    wrong: list[tuple[int, str]] = []
    numbers = {"at": _times(frame["at"], form)} | (
        {"rating": _numbers(frame["rating"])} if "rating" in frame else {}
    )
    words = {
        name: pd.Series(ids_of(frame[name]), frame.index, object) for name in ("user_id", "item_id")
    }
    if "type" in frame:
        names = TypeNames(form.called["type"], {})
        words["type"] = pd.Series(
            map_distinct(lambda cell: names.name_of(cell) or "", frame["type"]), frame.index, object
        )
    checks = {name: (values != "").to_numpy(dtype=np.bool_) for name, values in words.items()}
    checks |= {name: np.isfinite(values.to_numpy()) for name, values in numbers.items()}
    if form.may_lack_rating and "rating" in numbers:
        checks["rating"] |= _are_empty(frame["rating"], ~checks["rating"])
    if "rating" in numbers and math.isfinite(form.scale[1]):
        checks["scale"] = numbers["rating"].between(*form.scale).to_numpy(dtype=np.bool_)
    for name, passed in checks.items():
        for row in np.flatnonzero(good & ~passed).tolist():
            wrong.append((int(frame["index"].iloc[row]), _fault(name, frame, row, form)))
        good &= passed
    return frame.assign(**numbers, **words)[good], wrong


def _fault(check: str, frame: pd.DataFrame, row: int, form: RatingsFormat) -> str:
    """Return why a row failed a check, with the file's own name of the column."""
    if check == "scale":
        return f"{form.called['rating']}: expected {form.scale[0]:g} to {form.scale[1]:g}"
    cell = str(frame[check].iloc[row])
    if check == "type":
        return f"{form.called[check]}: {fault_of(cell)}"
    what = EXPECTED_TIME if check == "at" and form.has_named_times else "a number"
    expected = expected_number(cell, what) if check in ("rating", "at") else expected_id(cell)
    return f"{form.called[check]}: {expected}"


def _numbers(cells: pd.Series) -> pd.Series:
    return pd.to_numeric(cells, errors="coerce").astype(float)


def _times(cells: pd.Series, form: RatingsFormat) -> pd.Series:
    """Return times as numbers in the file's unit.

    Most are numbers already, so only the others are parsed as texts.
    """
    at = _numbers(cells)
    odd = np.flatnonzero(
        (at.isna() & form.has_named_times) | ((at >= MILLISECONDS_FROM) & form.has_any_unit)
    )
    if len(odd):
        at.iloc[odd] = times_of(cells.iloc[odd])
    return at


def _are_empty(cells: pd.Series, wanted_N: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which of the wanted cells have no number."""
    empty_N = np.zeros(len(cells), np.bool_)
    for row in np.flatnonzero(wanted_N).tolist():
        empty_N[row] = number_text(str(cells.iloc[row])) == ""
    return empty_N


def _utf8(block: bytes) -> bytes:
    """Return a block in which lines that are not UTF-8 are converted to it."""
    try:
        block.decode()
    except UnicodeDecodeError:
        return b"".join(as_text(line).encode() for line in io.BytesIO(block))
    return block
