"""Rows as they lie in their files, found again by line: what dead letters hold, and what is said of a file without a good row.

A row that is bad costs only its place while its file is read. Its text is read again when it is
asked for.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from sources.files.blocks import Blocks
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.files.magic import PARQUET
from sources.source import Reject, SourceError, excerpt

_Line = TypeVar("_Line")


def raw_rows(folder: DataFolder, rejects: Iterable[Reject]) -> Iterator[tuple[Reject, str]]:
    """Yield rejects, by file and line, with their rows: lines without the last one's end, or JSON where the file has none."""
    ordered = sorted(rejects, key=lambda reject: (reject.file, reject.line))
    for file, of_file in groupby(ordered, key=lambda reject: reject.file):
        if file.lower().endswith(PARQUET):
            yield from _found(
                _parquet_rows(Blocks(folder, file)), of_file, lambda rows: _shown(*rows[0])
            )
        else:
            yield from _found(
                text_lines(Blocks(folder, file)),
                of_file,
                lambda lines: "".join(lines).rstrip("\r\n"),
            )


def no_good_row(
    folder: DataFolder, file: str, rejects: Sequence[Reject], expected: str
) -> SourceError:
    """Return what to raise for a file without a good row: the first bad one and what is wrong with it."""
    first = min(
        rejects,
        key=lambda reject: reject.line,
        default=Reject(file=file, line=1, reason="there is none"),
    )
    raw = next((text for _, text in raw_rows(folder, [first] if rejects else [])), "")
    return SourceError(
        folder.path_of(file),
        line=first.line,
        found=excerpt(raw),
        expected=f"{expected} ({first.reason})",
    )


def text_lines(blocks: Blocks) -> Iterator[str]:
    """Yield the lines of a file as text, with their ends: UTF-8, and Windows-1252 for a line that is none."""
    for block in blocks:
        yield from map(as_text, io.BytesIO(block))


def _found(
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
    for batch in pq.ParquetFile(io.BytesIO(blocks.content())).iter_batches():
        yield from ((batch, row) for row in range(batch.num_rows))


def _shown(batch: pa.RecordBatch, row: int) -> str:
    try:
        return json.dumps(batch.slice(row, 1).to_pylist()[0], ensure_ascii=False, default=str)
    except (UnicodeDecodeError, OverflowError):
        return str(batch.slice(row, 1))
