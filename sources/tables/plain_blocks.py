"""Blocks of delimited text without quotes, whose columns are cut out at once.

Only quotes around a whole cell without a delimiter, a quote or a line break are understood. A block
with anything else is left to the reader of rows (`quoted`). Both give the same cells and rejects.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from sources.cells.times import whole_numbers
from sources.tables.columns import Chunk, arrow_cells

_LINE_CHARACTERS = 1 << 20  # a longer line may have a cell that is too long
_LONE_QUOTES = re.compile(rb'^""\r?$', re.MULTILINE)  # a row of one empty cell, not an empty line


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainBlock:
    """The lines of a block: those of the right width, and the indices of the other ones."""

    good: bytes
    good_lines: NDArray[np.int64]
    wrong_lines: Sequence[int]  # without the empty ones
    num_lines: int


def plain_block(block: bytes, delimiter: str, width: int) -> PlainBlock | None:
    """Return a block's lines; None if they must be read one by one."""
    block = _without_quotes(block, delimiter.encode()).replace(b"\r\n", b"\n")
    if any(one in block for one in (b'"', b"\r", b"\0")) or not _is_utf8(block):
        return None
    if not block.endswith(b"\n"):
        block += b"\n"
    characters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(characters == ord("\n")).astype(np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() > _LINE_CHARACTERS:
        return None
    delimiters = np.flatnonzero(characters == ord(delimiter))
    widths = np.diff(np.searchsorted(delimiters, ends), prepend=0) + 1
    is_good = (widths == width) & (ends > starts)
    if not is_good.all():
        is_kept = np.repeat(is_good, ends - starts + 1)
        block = characters[is_kept].tobytes()
    return PlainBlock(
        good=block,
        good_lines=np.flatnonzero(is_good),
        wrong_lines=np.flatnonzero(~is_good & (ends > starts)).tolist(),
        num_lines=len(ends),
    )


def chunk_of(
    block: PlainBlock, delimiter: str, names: Sequence[str], roles: Mapping[str, str], before: int
) -> Chunk:
    """Return a block's rows of the right width by role; `before` lines precede the block."""
    columns = _columns(block.good, delimiter, names, sorted(set(roles.values())))
    whole_at_N = whole_numbers(columns[roles["at"]]) if "at" in roles else None
    return Chunk(
        lines_N=block.good_lines + before + 1,
        num_lines=[1] * len(block.good_lines),
        cells={
            role: arrow_cells(columns[column], role)
            for role, column in roles.items()
            if role != "at" or whole_at_N is None
        },
        whole_at_N=whole_at_N,
    )


def _columns(
    data: bytes, delimiter: str, names: Sequence[str], wanted: Sequence[str]
) -> dict[str, pa.Array]:
    """Cut the wanted columns out of lines that all have the same number of cells."""
    if not data:
        return {name: pa.array([], pa.string()) for name in wanted}
    numbers = [str(number) for number in range(len(names))]  # names may be repeated
    table = pyarrow.csv.read_csv(
        pa.BufferReader(data),
        read_options=pyarrow.csv.ReadOptions(
            column_names=numbers, use_threads=False, block_size=len(data) + 1
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter, quote_char=False, escape_char=False, ignore_empty_lines=False
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={number: pa.string() for number in numbers},
            include_columns=[str(names.index(name)) for name in wanted],
            strings_can_be_null=False,
        ),
    )
    return {name: table[str(names.index(name))].combine_chunks() for name in wanted}


def _without_quotes(block: bytes, delimiter: bytes) -> bytes:
    """Remove the quotes around whole cells, if no row would change."""
    if b'"' not in block or _LONE_QUOTES.search(block) is not None:
        return block
    one = re.escape(delimiter)
    cell = rb"(?<![^" + one + rb'\n])"([^"\r\n' + one + rb']*)"(?=[\r\n' + one + rb"]|\Z)"
    return re.sub(cell, rb"\1", block)


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True
