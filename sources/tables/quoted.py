"""CSV with quotes: rows of named columns with their line numbers.

A quote that does not end its column costs only the line on which it opens. Reading continues with
the next line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from recommender.records.excerpt import shorten
from sources.cells.values import expected_width
from sources.source import Reject, SourceError

OPEN_QUOTE = "a quote that does not end its column"
_CELL_CHARACTERS = 1 << 20  # the longest quoted cell; a record has at most 256 KiB
csv.field_size_limit(_CELL_CHARACTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """The cells of a row, the number of its first line from 1, and how many lines it has."""

    line: int
    num_lines: int = 1
    cells: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimited:
    """How cells are separated. `spaced` means that a blank follows each delimiter.

    `names` are the columns of a file without a header.
    """

    delimiter: str = ","
    spaced: bool = False
    names: Sequence[str] | None = None


_COMMAS = Delimited()


def csv_rows(
    lines: Iterable[str], path: str, *, expected: Sequence[str], form: Delimited = _COMMAS
) -> Iterator[CsvRow | Reject]:
    """Yield the expected columns of each row, in that order.

    A header without one of them raises SourceError.
    """
    rows, file = _parse_rows(lines, path, form), PurePosixPath(path).name
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
    """Return a header's names without surrounding blanks and quotes."""
    return [name.strip().removeprefix('"').removesuffix('"') for name in header]


def expect_header(
    path: str, found: Sequence[str], expected: Sequence[str], delimiter: str = ",", *, line: int = 1
) -> None:
    """Raise SourceError unless a header has each expected column exactly once."""
    for column in expected:
        if found.count(column) != 1:
            raise SourceError(
                path,
                line=line,
                column=column,
                found=shorten(repr(delimiter.join(found))),
                expected="a header with this column once",
            )


def cells_of(line: str, delimiter: str = ",") -> list[str]:
    """Return the cells of a single line; a line that can't be split is one cell.

    The last quote may be open.
    """
    try:
        return next(
            csv.reader(
                [line.replace("\r", " ")], delimiter=delimiter, skipinitialspace=delimiter == " "
            ),
            [],
        )
    except csv.Error:
        return [line]


def _parse_rows(lines: Iterable[str], path: str, form: Delimited) -> Iterator[CsvRow | Reject]:
    """Yield the header and the rows; reject a line that does not begin a row.

    Parsing continues with the line after a rejected one. Between tabs, psql and Hive write quotes
    as ordinary characters, so such a line is split without regard to quotes.
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
    """Lines; those of the current row, from its second on, can be read again.

    `line` is the number of the row's first line.
    """

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
        """Begin the next row after the current one."""
        self.line += len(self.of_row)
        self.of_row.clear()

    def go_back(self) -> None:
        """Reduce the current row to one line; the others will be read again."""
        self._again.extendleft(reversed(self.of_row[1:]))
        del self.of_row[1:]


def _are_rows(lines: Sequence[str], width: int, delimiter: str) -> bool:
    """Return whether the lines of one row would each be a whole row.

    Then two stray quotes join them, and it is not a text over several lines.
    """
    return len(lines) > 1 and all(len(cells_of(line, delimiter)) == width for line in lines)


def _fault(error: csv.Error, lines: Sequence[str]) -> str:
    if "new-line" in str(error):
        return "a carriage return inside the row"
    return (
        f"a column of over {_CELL_CHARACTERS:,} characters"
        if "field limit" in str(error) and len(lines) == 1
        else OPEN_QUOTE
    )
