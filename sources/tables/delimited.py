"""Delimited text with named columns: CSV, TSV, and the variants of Excel, psql and scripts.

The header is found here. If there may be none, the file is refused instead of guessing, because a
first row that is taken for a header would be lost unnoticed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import PurePosixPath

import numpy as np

from recommender.records.excerpt import shorten
from sources.cells.times import is_time
from sources.cells.values import expected_width
from sources.files.blocks import Blocks
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.source import Reject, SourceError
from sources.tables.columns import Chunk, cells_by_role
from sources.tables.plain_blocks import PlainBlock, chunk_of, plain_block
from sources.tables.quoted import CsvRow, Delimited, cells_of, csv_rows, expect_header, names_of

_DELIMITERS = "\t,;| "  # the first wins ties
_FIRST_LINES = 100
# Excel writes this line and hides it when it opens the file.
_EXCEL = re.compile(r'"?sep=(.)"?[,;\t]*', re.IGNORECASE)
_TYPED_NAME = re.compile(r"(.+):(?:token|float|token_seq|float_seq)")  # RecBole's
NAME_THEM = (
    "name the columns of a file without one with --header NAME,NAME,..., "
    "or number them with --header none"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelimitedLayout:
    """Where the rows of a file begin and how they are written; `names` are its columns."""

    form: Delimited
    names: Sequence[str]
    num_skipped: int
    sample: Sequence[Mapping[str, str]]


def layout_of(
    folder: DataFolder, file: str, wanted: Sequence[str], header: Sequence[str] | None
) -> DelimitedLayout:
    """Find header and delimiter; raise SourceError.

    It is an error if a wanted column is missing, or if the file may have no header.
    """
    path, lines = folder.path_of(file), folder.first_lines(file, _FIRST_LINES)
    num_skipped, delimiter = 0, None
    if lines and (excel := _EXCEL.fullmatch(lines[0].strip())) is not None:
        num_skipped, delimiter = 1, excel[1]
    while num_skipped < len(lines) and not lines[num_skipped].strip(' \t,;|"'):
        num_skipped += 1
    first = lines[num_skipped] if num_skipped < len(lines) else ""
    delimiter = delimiter or _delimiter(first, wanted, header)
    cells = cells_of(first, delimiter)
    line = num_skipped + 1
    names = (
        _header_names(path, line, cells, wanted)
        if header is None
        else _given_names(path, line, cells, header)
    )
    expect_header(path, names, wanted, delimiter, line=line)
    spaced = delimiter == " " or (delimiter != "\t" and f"{delimiter} " in first)
    rows = [cells_of(one, delimiter) for one in lines[num_skipped + (header is None) :]]
    sample = [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]
    form = Delimited(
        delimiter=delimiter,
        spaced=spaced,
        names=names if header is not None or names != names_of(cells) else None,
    )
    is_header_kept = form.names is None or header is not None
    return DelimitedLayout(
        form=form,
        names=names,
        num_skipped=num_skipped if is_header_kept else num_skipped + 1,
        sample=sample,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Whole lines of a file; of the first block, `plain` has what is after the header."""

    data: bytes
    plain: PlainBlock | None
    num_skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file, its columns by role, and the list to which its bad rows are added."""

    path: str
    layout: DelimitedLayout
    roles: Mapping[str, str]
    rejects: list[Reject]


def chunks(
    blocks: Blocks,
    path: str,
    layout: DelimitedLayout,
    roles: Mapping[str, str],
    rejects: list[Reject],
) -> Iterator[Chunk]:
    """Yield a file's rows by role; rows that are not valid are added to `rejects`.

    Blocks that are plain are cut into columns at once, and runs of other blocks into rows.
    """
    file = _File(path=path, layout=layout, roles=roles, rejects=rejects)
    num_before = 0
    for is_plain, run in groupby(_blocks(blocks, layout), key=lambda one: one.plain is not None):
        if is_plain:
            num_before = yield from _plain_chunks(run, file, num_before)
        else:
            num_before = yield from _row_chunks(run, file, num_before, blocks.limits.chunk_rows)


def looks_like_a_row(line: str) -> bool:
    """Return whether a line has numbers or times, which a header does not have."""
    cells = names_of(cells_of(line, _delimiter(line, (), None)))
    return len(cells) > 1 and not _are_counted(cells) and any(map(_is_value, cells))


def _blocks(blocks: Blocks, layout: DelimitedLayout) -> Iterator[_Block]:
    form = layout.form
    may_be_plain = not form.spaced and form.delimiter.isascii()
    for number, data in enumerate(blocks):
        num_skipped = begin = 0
        if number == 0:
            num_skipped = layout.num_skipped + (form.names is None)
            begin = _end_of_lines(data, num_skipped)
            may_be_plain &= data.count(b'"', 0, begin) % 2 == 0  # else the header goes on
        body = data[begin:]
        is_tried = may_be_plain and len(body) > 0
        plain = plain_block(body, form.delimiter, len(layout.names)) if is_tried else None
        yield _Block(data=data, plain=plain, num_skipped=num_skipped)


def _end_of_lines(data: bytes, num_lines: int) -> int:
    """Return the place after the first lines."""
    end = 0
    for _ in range(num_lines):
        end = data.find(b"\n", end) + 1 or len(data)
    return end


def _plain_chunks(
    run: Iterator[_Block], file: _File, num_before: int
) -> Generator[Chunk, None, int]:
    """Yield the rows of plain blocks after `num_before` lines; return the lines after them."""
    names, name = file.layout.names, PurePosixPath(file.path).name
    for block in run:
        assert block.plain is not None
        num_before += block.num_skipped
        reason = expected_width(len(names))
        file.rejects.extend(
            Reject(file=name, line=num_before + line + 1, reason=reason)
            for line in block.plain.wrong_lines
        )
        yield chunk_of(block.plain, file.layout.form.delimiter, names, file.roles, num_before)
        num_before += block.plain.num_lines
    return num_before


def _row_chunks(
    run: Iterator[_Block], file: _File, num_before: int, chunk_rows: int
) -> Generator[Chunk, None, int]:
    """Yield the rows of other blocks in the same way; the first ones begin with the header."""
    num_lines, layout = 0, file.layout

    def lines() -> Iterator[str]:
        nonlocal num_lines
        for block in run:
            for line in io.BytesIO(block.data):
                num_lines += 1
                yield as_text(line)

    is_first = num_before == 0
    form = layout.form if is_first else replace(layout.form, names=layout.names)
    rows = csv_rows(
        _without(lines(), layout.num_skipped if is_first else 0),
        file.path,
        expected=list(file.roles.values()),
        form=form,
    )
    while chunk := list(islice(rows, chunk_rows)):
        good = [row for row in chunk if isinstance(row, CsvRow)]
        file.rejects.extend(
            replace(row, line=row.line + num_before) for row in chunk if isinstance(row, Reject)
        )
        texts = {role: [row.cells[place] for row in good] for place, role in enumerate(file.roles)}
        yield Chunk(
            lines_N=np.array([row.line + num_before for row in good], np.int64),
            num_lines=[row.num_lines for row in good],
            cells=cells_by_role(texts),
        )
    return num_before + num_lines


def _delimiter(first: str, wanted: Sequence[str], header: Sequence[str] | None) -> str:
    """Return the delimiter that fits the wanted columns or the number of columns best."""

    def score(one: str) -> tuple[int, int]:
        names = names_of(cells_of(first, one))
        num_fitting = (
            int(len(names) == len(header))
            if header
            else len({*wanted} & {*names, *map(_without_type, names)})
        )
        return num_fitting, -1 if one == " " else first.count(one)

    return max(_DELIMITERS, key=score)


def _header_names(path: str, line: int, cells: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the names in a header; raise SourceError if it looks like a row.

    RecBole's types are removed unless the wanted names have them.
    """
    names = names_of(cells)
    if not all(name in names for name in wanted):
        names = [_without_type(name) for name in names]
    meant = [name for name in names if name in wanted]
    suspects = meant if len(meant) == len({*wanted}) else names
    if any(map(_is_value, suspects)) and not _are_counted(names):
        raise SourceError(
            path,
            line=line,
            found=shorten(repr(",".join(cells))),
            expected=f"a header, but this looks like a row; {NAME_THEM}",
        )
    return names


def _given_names(path: str, line: int, cells: Sequence[str], header: Sequence[str]) -> list[str]:
    names = list(header) or [str(number) for number in range(1, len(cells) + 1)]
    if len(names) != len(cells):
        raise SourceError(
            path,
            line=line,
            found=f"{len(cells)} columns",
            expected=f"the {len(names)} that --header names",
        )
    if names_of(cells) == names:
        raise SourceError(
            path,
            line=line,
            found="the names that --header gives",
            expected="a file without a header; leave --header out",
        )
    return names


def _without_type(name: str) -> str:
    found = _TYPED_NAME.fullmatch(name)
    return name if found is None else found[1]


def _is_value(cell: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+(\.\d+)?", cell)) or (bool(cell) and is_time(cell))


def _are_counted(names: Sequence[str]) -> bool:
    """Return whether names count from 0 or 1, as pandas names columns without a name."""
    return any(
        list(names) == [str(number) for number in range(start, start + len(names))]
        for start in (0, 1)
    )


def _without(lines: Iterator[str], num_skipped: int) -> Iterator[str]:
    """Yield the lines with the first ones emptied, so that the others keep their numbers."""
    for _ in islice(lines, num_skipped):
        yield "\n"
    yield from lines
