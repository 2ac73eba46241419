"""Parquet tables: rows by role, as texts.

Parquet has types, but every format gives ids, times and titles as texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sources.cells.distinct import CellColumn, distinct_cells, single_cells
from sources.cells.times import whole_numbers
from sources.files.blocks import Blocks
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.source import SourceError
from sources.tables.columns import Chunk
from sources.tables.quoted import expect_header

_IDS = frozenset({"user", "item"})
_CELLS = _IDS | {"at", "rating", "type"}  # in other roles, lists become texts
_FREQUENT = _CELLS - {"at"}
_SHOWN_DIGITS = 32
_TICKS_OF_UNIT = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def names_in(folder: DataFolder, file: str) -> list[str]:
    """Return the names of a file's columns."""
    try:
        with folder.open_raw(file) as stream:
            return [str(name) for name in pq.read_schema(stream).names]
    except (pa.ArrowException, OSError) as error:
        raise _damaged_file(folder.path_of(file), error) from error


def chunks(blocks: Blocks, path: str, roles: Mapping[str, str]) -> Iterator[Chunk]:
    """Yield a file's rows by role.

    Parquet's index is at the end of a file, so the file is read whole first.
    """
    with blocks.open_whole() as content:
        yield from _chunks(content, path, roles, blocks.limits.chunk_rows)


def _chunks(
    content: IO[bytes], path: str, roles: Mapping[str, str], chunk_rows: int
) -> Iterator[Chunk]:
    first_line = 1
    try:
        # No threads: one of Arrow's that let go of a Python file while Python ends would abort it.
        table = pq.ParquetFile(content, pre_buffer=False)
        expect_header(path, table.schema_arrow.names, list(roles.values()))
        _expect_types(path, table.schema_arrow, roles)
        columns = sorted(set(roles.values()))
        for batch in table.iter_batches(chunk_rows, columns=columns, use_threads=False):
            for role in _IDS & roles.keys():
                _expect_words(path, roles[role], batch.column(roles[role]))
            whole_at_N = whole_numbers(batch.column(roles["at"])) if "at" in roles else None
            yield Chunk(
                lines_N=np.arange(first_line, first_line + batch.num_rows),
                num_lines=[1] * batch.num_rows,
                cells={
                    role: _cells(batch.column(column), role)
                    for role, column in roles.items()
                    if role != "at" or whole_at_N is None
                },
                whole_at_N=whole_at_N,
            )
            first_line += batch.num_rows
    except (pa.ArrowException, OSError, OverflowError) as error:
        raise _damaged_file(path, error) from error


def _damaged_file(path: str, error: Exception) -> SourceError:
    return SourceError(
        path,
        found=str(error).splitlines()[0],
        expected="a Parquet file; fetch it again if the download was interrupted",
    )


def _expect_types(path: str, schema: pa.Schema, roles: Mapping[str, str]) -> None:
    """Raise SourceError for a column whose type does not fit its role.

    Ids are not booleans or lists, and only texts may be lists.
    """
    for role, column in roles.items():
        kind, is_flag = schema.field(column).type, role == "type"
        expected = {"at": "times", "rating": "numbers"}.get(role, "texts or whole numbers")
        if role not in _CELLS:
            kind, is_flag, expected = (
                _leaf(kind),
                role not in ("title", "text"),
                "texts or lists of texts",
            )
        if pa.types.is_nested(kind) or (pa.types.is_boolean(kind) and not is_flag):
            raise SourceError(
                path, column=column, found=str(schema.field(column).type), expected=expected
            )


def _expect_words(path: str, column: str, ids: pa.Array) -> None:
    """Raise SourceError for ids in bytes that are not text, such as raw UUIDs and digests."""
    kind = ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type
    if not str(kind).endswith(("binary", "binary_view")) and not pa.types.is_fixed_size_binary(
        kind
    ):
        return
    for value in ids.to_pylist():
        if value is not None and not _is_text(value):
            expected = "texts or whole numbers; write UUIDs, digests and the like as text"
            raise SourceError(
                path,
                column=column,
                found=f"{kind} that is not text, {value.hex()[:_SHOWN_DIGITS]}",
                expected=expected,
            )


def _is_text(value: bytes) -> bool:
    try:
        return "\0" not in value.decode()
    except UnicodeDecodeError:
        return False


def _leaf(kind: pa.DataType) -> pa.DataType:
    """Return the type inside a list or nested lists; any other type is returned as it is."""
    is_list = (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
    return _leaf(kind.value_type) if is_list else kind


def _cells(column: pa.Array, role: str) -> CellColumn:
    """Return values as texts; those that are often equal are converted once."""
    is_number = role in ("at", "rating")
    if role not in _FREQUENT:
        return single_cells(_as_texts(column, is_number=is_number))
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        encoded = column.dictionary_encode(null_encoding="encode")
    except pa.ArrowNotImplementedError:  # of a few types, such as lists; converted one by one
        return distinct_cells(_as_texts(column, is_number=is_number))
    codes_N = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return CellColumn(codes_N=codes_N, texts=_as_texts(encoded.dictionary, is_number=is_number))


def _as_texts(column: pa.Array, *, is_number: bool) -> Sequence[str]:
    """Return values as texts, empty for missing ones; NaN counts as missing.

    Infinite numbers are kept where a number is expected, so that they are rejected there.
    """
    if pa.types.is_timestamp(column.type):
        ticks_per_s = _TICKS_OF_UNIT[column.type.unit]
        return [_seconds_text(ticks, ticks_per_s) for ticks in column.cast(pa.int64()).to_pylist()]
    # Python's dates end in the year 9999.
    if pa.types.is_integer(column.type) or pa.types.is_date(column.type):
        column = column.cast(pa.string())
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary()).to_pylist()
    return [_as_text(value, is_number=is_number) for value in values]


def _seconds_text(ticks: int | None, ticks_per_s: int) -> str:
    return "" if ticks is None else repr(ticks / ticks_per_s)


def _as_text(value: object, *, is_number: bool) -> str:
    """Return a value as text: lower-case booleans, joined lists, whole numbers without a point.

    If one number is missing, pandas stores the whole column as floats.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, list):
        return ", ".join(filter(None, (_as_text(one, is_number=False) for one in value)))
    if isinstance(value, float | np.floating | Decimal):
        if math.isfinite(value):
            return str(int(value)) if value == int(value) else str(value)
        return str(value) if is_number and not math.isnan(value) else ""
    return "" if value is None else str(value)
