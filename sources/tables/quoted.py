"""CSV with quotes: rows of named columns that know the line on which they begin.

A quote that does not end its column costs the line on which it opens; what follows is read anew.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sources.cells.values import expected_width
from sources.source import Reject, SourceError, excerpt

OPEN_QUOTE = "a quote that does not end its column"
_CELL_CHARACTERS = 1 << 20  # so far a quote is looked for that closes; a record holds 256 KiB
csv.field_size_limit(_CELL_CHARACTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """A row's cells and its lines: the number of the first, from 1, and how many."""

    line: int
    num_lines: int = 1
    cells: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimited:
    """How a file's cells are told apart; `names` are the columns of a file without a header. `spaced`: a blank follows each delimiter."""

    delimiter: str = ","
    spaced: bool = False
    names: Sequence[str] | None = None


_COMMAS = Delimited()


def csv_rows(
    lines: Iterable[str], path: str, *, expected: Sequence[str], form: Delimited = _COMMAS
) -> Iterator[CsvRow | Reject]:
    """Yield the expected columns of each row, in that order; raise SourceError for a header that lacks one."""
    rows, file = _parsed(lines, path, form), PurePosixPath(path).name
    names = form.names
    if names is None:
        header = next(
            (row for row in rows if isinstance(row, Reject) or row.cells), CsvRow(line=1, cells=())
        )
        if isinstance(header, Reject):
            raise SourceError(path, line=header.line, found=header.reason, expected="a header")
        names = names_of(header.cells)
        expect_header(path, names, expected, form.delimiter, line=header.line)
    places = [names.index(name) for name in expected]
    for row in rows:
        if isinstance(row, Reject):
            yield row
        elif len(row.cells) == len(names):
            yield CsvRow(
                line=row.line, num_lines=row.num_lines, cells=[row.cells[place] for place in places]
            )
        elif row.cells:
            yield Reject(
                file=file, line=row.line, reason=expected_width(len(names)), num_lines=row.num_lines
            )


def names_of(header: Sequence[str]) -> list[str]:
    """Return a header's names without the blanks and quotes around them."""
    return [name.strip().removeprefix('"').removesuffix('"') for name in header]


def expect_header(
    path: str, found: Sequence[str], expected: Sequence[str], delimiter: str = ",", *, line: int = 1
) -> None:
    """Raise SourceError when a header lacks a column, or has it twice, so that nobody knows which is meant."""
    for column in expected:
        if found.count(column) != 1:
            raise SourceError(
                path,
                line=line,
                column=column,
                found=excerpt(delimiter.join(found)),
                expected="a header with it once",
            )


def cells_of(line: str, delimiter: str = ",") -> list[str]:
    """Return the cells of one line by itself, whose last quote may be open; a line that is too long for cells is one."""
    try:
        return next(
            csv.reader(
                [line.replace("\r", " ")], delimiter=delimiter, skipinitialspace=delimiter == " "
            ),
            [],
        )
    except csv.Error:
        return [line]


def _parsed(lines: Iterable[str], path: str, form: Delimited) -> Iterator[CsvRow | Reject]:
    """Yield the header and the rows; a line that begins none is rejected, and the next one is the beginning of another.

    Between tabs a quote may be a letter like any other, as `psql` and Hive write it: such a line
    counts as it is.
    """
    file, width, delimiter = PurePosixPath(path).name, len(form.names or ()), form.delimiter
    source = _RereadableLines(lines)
    rows = csv.reader(source, delimiter=delimiter, skipinitialspace=form.spaced, strict=True)
    while True:
        source.begin_row()
        try:
            cells = next(rows)
            fault = OPEN_QUOTE if _are_rows(source.of_row, width, delimiter) else None
        except StopIteration:
            return
        except csv.Error as error:
            fault = _fault(error, source.of_row)
        if fault is None:
            width = width or len(cells)
            yield CsvRow(line=source.line, num_lines=len(source.of_row), cells=cells)
        else:
            bare = source.of_row[0].rstrip("\r\n").split("\t")
            is_row = (
                delimiter == "\t" and len(bare) == width and not any("\r" in cell for cell in bare)
            )
            yield (
                CsvRow(line=source.line, cells=bare)
                if is_row
                else Reject(file=file, line=source.line, reason=fault)
            )
            source.go_back()
            rows = csv.reader(
                source, delimiter=delimiter, skipinitialspace=form.spaced, strict=True
            )


class _RereadableLines:
    """Lines, of which those of the row at hand can be read again from its second on. `line` is the number of its first."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._unread = iter(lines)
        self._again = deque[str]()
        self.of_row: list[str] = []
        self.line = 1

    def __iter__(self) -> Iterator[str]:
        while self._again:
            self.of_row.append(self._again.popleft())
            yield self.of_row[-1]
        for line in self._unread:
            self.of_row.append(line)
            yield line

    def begin_row(self) -> None:
        """Begin the next row behind the one at hand."""
        self.line += len(self.of_row)
        self.of_row.clear()

    def go_back(self) -> None:
        """Let the row at hand have one line only; the others come again."""
        self._again.extendleft(reversed(self.of_row[1:]))
        del self.of_row[1:]


def _are_rows(lines: Sequence[str], width: int, delimiter: str) -> bool:
    """Tell whether the lines of one row would each be a whole row: two stray quotes, not a text of several lines, hold them together."""
    return len(lines) > 1 and all(len(cells_of(line, delimiter)) == width for line in lines)


def _fault(error: csv.Error, lines: Sequence[str]) -> str:
    if "new-line" in str(error):
        return "a carriage return inside the row"
    return (
        f"a column of over {_CELL_CHARACTERS:,} characters"
        if "field limit" in str(error) and len(lines) == 1
        else OPEN_QUOTE
    )
