"""Delimited text as columns that still know their line: ratings by the million, in pandas.

Knows rows and numbers, no publisher. A row that is not what it should be becomes a Reject; the rest of the file lives.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainer.sources.source import Reject, SourceError

COLUMNS = ("user_id", "item_id", "rating", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsFormat:
    """How the rows of a file are written; `columns` names all of them in file order, COLUMNS among them."""

    separator: bytes
    columns: tuple[str, ...]
    has_header: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Good rows, sorted by time, ties by line; columns COLUMNS and `line`."""

    frame: pd.DataFrame
    rejects: tuple[Reject, ...]


def read_ratings(data: bytes, file: str, form: RatingsFormat) -> Ratings:
    """Read ratings; raise SourceError when no row is good."""
    if len(form.separator) > 1:  # pandas is fast with one character only, and these files hold digits
        data = data.replace(form.separator, b"\t")
    separator = form.separator if len(form.separator) == 1 else b"\t"
    lines = _Lines(data, separator)
    fitting = lines.widths == len(form.columns)
    odd = [int(index) for index in np.flatnonzero(~fitting) if lines.text(int(index))]
    if form.has_header:
        fitting[:1] = False
        odd = [index for index in odd if index > 0]
    rejects = [lines.reject(file, index, f"{lines.widths[index]} columns, expected {len(form.columns)}") for index in odd]
    good = np.flatnonzero(fitting)
    if not len(good):
        first = rejects[0] if rejects else Reject(file=file, line=1, reason="no rows", raw="")
        raise _nothing_good(first, form)
    frame = _parse(data, separator, form.columns, skipped=np.flatnonzero(~fitting))
    if len(frame) != len(good):
        raise SourceError(file, found="carriage returns inside a line", expected="one row a line")
    frame["line"] = good + 1
    frame, wrong = _checked(frame)
    rejects += [lines.reject(file, index, reason) for index, reason in wrong]
    rejects.sort(key=lambda reject: reject.line)
    if frame.empty:
        raise _nothing_good(rejects[0], form)
    return Ratings(frame=frame.sort_values("at", kind="stable", ignore_index=True), rejects=tuple(rejects))


def _nothing_good(first: Reject, form: RatingsFormat) -> SourceError:
    return SourceError(first.file, line=first.line, found=repr(first.raw), expected=f"rows of {', '.join(form.columns)} ({first.reason})")


class _Lines:
    """Lines by index, cut out when asked for: a list of millions of them would outweigh the file. `widths` counts each one's columns."""

    def __init__(self, data: bytes, separator: bytes) -> None:
        characters = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(characters == ord("\n")).astype(np.int64)
        if len(characters) and (not len(ends) or ends[-1] != len(characters) - 1):
            ends = np.append(ends, len(characters))  # the last line has no line break
        separators = np.flatnonzero(characters == ord(separator))
        self.widths: NDArray[np.int64] = np.diff(np.searchsorted(separators, ends), prepend=0) + 1
        self._data = data
        self._ends = ends

    def text(self, index: int) -> str:
        begin = int(self._ends[index - 1]) + 1 if index else 0
        return self._data[begin : int(self._ends[index])].decode("utf-8", "replace").strip()

    def reject(self, file: str, index: int, reason: str) -> Reject:
        return Reject(file=file, line=index + 1, reason=reason, raw=self.text(index)[:200])


def _parse(data: bytes, separator: bytes, columns: Sequence[str], *, skipped: NDArray[np.int64]) -> pd.DataFrame:
    return pd.read_csv(
        io.BytesIO(data),
        sep=separator.decode(),
        header=None,
        names=list(columns),
        usecols=list(COLUMNS),
        dtype=str,
        skiprows=skipped.tolist(),
        skip_blank_lines=False,
        keep_default_na=False,
        quoting=3,  # QUOTE_NONE
        encoding="utf-8",
        encoding_errors="replace",
    )


def _checked(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """Return the rows whose values are what they should be, numbers as such, and the others' line indices with reasons."""
    good = np.ones(len(frame), np.bool_)
    wrong: list[tuple[int, str]] = []
    numbers = {name: pd.to_numeric(frame[name], errors="coerce").astype(float) for name in ("rating", "at")}
    checks = {name: (frame[name].str.strip() != "").to_numpy(dtype=np.bool_) for name in ("user_id", "item_id")}
    checks |= {name: np.isfinite(values.to_numpy()) for name, values in numbers.items()}
    for name, passed in checks.items():
        expected = "a number" if name in numbers else "an id"
        for row in np.flatnonzero(good & ~passed):
            wrong.append((int(frame["line"].iloc[row]) - 1, f"{name}: found {frame[name].iloc[row]!r}, expected {expected}"))
        good &= passed
    return frame.assign(**numbers)[good], wrong
