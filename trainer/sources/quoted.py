"""CSV with quotes: rows of named columns that know the line on which they begin.

A quote that closes nothing costs its row; one that is never closed swallows what follows it, so that the file is refused by line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from trainer.sources.source import Reject, SourceError

_FIELD_CHARACTERS = 1 << 20  # a longer one is a quote that was never closed; a record holds 256 KiB
csv.field_size_limit(_FIELD_CHARACTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row's cells and the line on which it begins, from 1."""

    line: int
    cells: Sequence[str]


def csv_rows(lines: Iterable[str], path: str, *, expected: Sequence[str], delimiter: str = ",") -> Iterator[Row | Reject]:
    """Yield the expected columns of each row, in that order; raise SourceError for a header without one or a quote that never closes."""
    rows, file = _parsed(lines, path, delimiter), PurePosixPath(path).name
    header = next(rows, Row(line=1, cells=()))
    cells = header.cells if isinstance(header, Row) else [header.raw]
    expect_header(path, cells, expected)
    places = [list(cells).index(name) for name in expected]
    for row in rows:
        if isinstance(row, Reject):
            yield row
        elif len(row.cells) == len(cells):
            yield Row(line=row.line, cells=[row.cells[place] for place in places])
        elif row.cells:
            reason = f"{len(row.cells)} columns, expected {len(cells)}"
            yield Reject(file=file, line=row.line, reason=reason, raw=delimiter.join(row.cells)[:200])


def expect_header(path: str, found: Sequence[str], expected: Sequence[str]) -> None:
    """Raise SourceError when a header lacks a column."""
    for column in expected:
        if column not in found:
            raise SourceError(path, line=1, column=column, found=repr(",".join(found)), expected="a header with it")


def _parsed(lines: Iterable[str], path: str, delimiter: str) -> Iterator[Row | Reject]:
    raw: list[str] = []  # the lines of the row at hand
    rows = csv.reader((raw.append(line) or line for line in lines), delimiter=delimiter, strict=True)  # type: ignore[func-returns-value]
    while True:
        raw.clear()
        line = rows.line_num + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "field limit" in str(error):
                raise SourceError(path, line=line, found="a quote that is never closed", expected="quotes in pairs") from error
            yield Reject(
                file=PurePosixPath(path).name, line=line, reason="a quote that does not end its column", raw="".join(raw)[:200].strip()
            )
            continue
        yield Row(line=line, cells=cells)
