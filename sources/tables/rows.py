"""The original text of rejected rows, found by line number.

While a file is read, only the line of a bad row is kept. Dead letters and error messages read the
text again from the file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.records.excerpt import shorten
from sources.files.blocks import Blocks
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.files.magic import PARQUET
from sources.source import Reject, SourceError

_Line = TypeVar("_Line")


def raw_rows(folder: DataFolder, rejects: Iterable[Reject]) -> Iterator[tuple[Reject, str]]:
    """Yield rejects by file and line, with their rows.

    A row is its lines without the last line break, or JSON for a Parquet file.
    """
    ordered = sorted(rejects, key=lambda reject: (reject.file, reject.line))
    for file, of_file in groupby(ordered, key=lambda reject: reject.file):
        if file.lower().endswith(PARQUET):
            yield from _find_rows(
                _parquet_rows(Blocks(folder, file)), of_file, lambda rows: _row_as_json(*rows[0])
            )
        else:
            yield from _find_rows(
                text_lines(Blocks(folder, file)),
                of_file,
                lambda lines: "".join(lines).rstrip("\r\n"),
            )


def no_good_row(
    folder: DataFolder, file: str, rejects: Sequence[Reject], expected: str
) -> SourceError:
    """Return the error for a file without a good row; it has the first bad row and its fault."""
    first = min(
        rejects,
        key=lambda reject: reject.line,
        default=Reject(file=file, line=1, reason="there are no rows"),
    )
    raw = next((text for _, text in raw_rows(folder, [first] if rejects else [])), "")
    return SourceError(
        folder.path_of(file),
        line=first.line,
        found=shorten(repr(raw)),
        expected=f"{expected} ({first.reason})",
    )


def text_lines(blocks: Blocks) -> Iterator[str]:
    """Yield the lines of a file as text, with their line breaks.

    They are decoded as UTF-8, or else as Windows-1252.
    """
    for block in blocks:
        yield from map(as_text, io.BytesIO(block))


def _find_rows(
    lines: Iterator[_Line], rejects: Iterable[Reject], show: Callable[[list[_Line]], str]
) -> Iterator[tuple[Reject, str]]:
    num_read = 0
    for reject in rejects:
        row = list(
            islice(lines, reject.line - num_read - 1, reject.line - num_read - 1 + reject.num_lines)
        )
        num_read = reject.line + reject.num_lines - 1
        yield reject, show(row)


def _parquet_rows(blocks: Blocks) -> Iterator[tuple[pa.RecordBatch, int]]:
    with blocks.open_whole() as content:
        table = pq.ParquetFile(content, pre_buffer=False)
        for batch in table.iter_batches(use_threads=False):
            yield from ((batch, row) for row in range(batch.num_rows))


def _row_as_json(batch: pa.RecordBatch, row: int) -> str:
    try:
        return json.dumps(batch.slice(row, 1).to_pylist()[0], ensure_ascii=False, default=str)
    except (UnicodeDecodeError, OverflowError):
        return str(batch.slice(row, 1))
