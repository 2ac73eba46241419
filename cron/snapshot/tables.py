"""The tables of a snapshot, written in parts, with the digest of what they contain."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_ROLE, _USER = "role", "user_id"
# A training may have as many ranks with events of their own.
FEWEST_ROW_GROUPS = 32
MOST_ROWS_IN_GROUP = 65_536


class SnapshotTables:
    """Parquet files in a folder, one for each table; used as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._digest = ContentDigest()
        self._roles: Counter[tuple[str, str]] = Counter()
        self._rows: Counter[str] = Counter()

    def __enter__(self) -> SnapshotTables:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def add(self, name: str, rows: pa.Table) -> None:
        """Append rows to a table, which is created by its first rows, even if there are none."""
        if name not in self._writers:
            path = self._folder / f"{name}.parquet"
            writer = pq.ParquetWriter(path, rows.schema, compression="zstd")
            self._writers[name] = self._files.enter_context(writer)
        elif not rows.num_rows:
            return
        for part in _row_groups(rows):
            self._writers[name].write_table(part)
        self._digest.add(f"{name}.parquet", rows)
        self._rows[name] += rows.num_rows
        if _ROLE in rows.column_names:
            for count in pc.value_counts(rows[_ROLE]).to_pylist():
                self._roles[name, count["values"]] += count["counts"]

    def num_rows(self, name: str) -> int:
        """Return how many rows a table has."""
        return self._rows[name]

    def num_in_role(self, name: str, role: str) -> int:
        """Return how many rows of a table have a role."""
        return self._roles[name, role]

    def digest(self) -> str:
        """Return the sha256 of what all tables contain."""
        return self._digest.hexdigest()


def _row_groups(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield the rows of each row group; with events in order, no user is in two of them.

    So that every rank of a training reads its users' events alone.
    """
    if _USER not in rows.column_names or not rows.num_rows:
        yield rows
        return
    codes = pc.run_end_encode(rows[_USER].combine_chunks())
    ends = codes.run_ends.to_numpy()
    size = min(max(-(-rows.num_rows // FEWEST_ROW_GROUPS), 1), MOST_ROWS_IN_GROUP)
    begin = 0
    while begin < rows.num_rows:
        end = int(ends[np.searchsorted(ends, min(begin + size, rows.num_rows))])
        yield rows.slice(begin, end - begin)
        begin = end


class ContentDigest:
    """The sha256 over names, columns and values of tables, in order, however they are divided.

    The bytes of the Parquet files are not used: they depend on the library's version.
    """

    def __init__(self) -> None:
        self._columns: dict[tuple[str, str, str], _ColumnDigest] = {}

    def add(self, name: str, rows: pa.Table) -> None:
        """Append rows to a table."""
        for column_name, column in zip(rows.column_names, rows.columns, strict=True):
            key = (name, column_name, str(column.type))
            self._columns.setdefault(key, _ColumnDigest()).add(column)

    def hexdigest(self) -> str:
        """Return the digest of everything so far."""
        digest = hashlib.sha256()
        for name, column_name, type_ in sorted(self._columns):
            column = self._columns[name, column_name, type_]
            digest.update(f"{name}/{column_name}/{type_}/{column.num_rows};".encode())
            digest.update(column.digest())
        return digest.hexdigest()


class _ColumnDigest:
    """The digests of a column: which values are missing, lengths of texts, and values."""

    def __init__(self) -> None:
        self.num_rows = 0
        self._missing, self._lengths, self._values = (hashlib.sha256() for _ in range(3))

    def add(self, column: pa.ChunkedArray) -> None:
        for values in column.chunks:
            self.num_rows += len(values)
            self._missing.update(pc.is_null(values).to_numpy(zero_copy_only=False).tobytes())
            if pa.types.is_string(values.type):
                lengths = pc.fill_null(pc.binary_length(values), -1)
                self._lengths.update(lengths.to_numpy(zero_copy_only=False).tobytes())
                self._values.update(_texts(values))
            else:
                filled = pc.fill_null(values, pa.scalar(0).cast(values.type))
                self._values.update(filled.to_numpy(zero_copy_only=False).tobytes())

    def digest(self) -> bytes:
        return b"".join(one.digest() for one in (self._missing, self._lengths, self._values))


def _texts(values: pa.Array) -> memoryview | bytes:
    """Return the UTF-8 bytes of all texts, one after the other."""
    present = pc.drop_null(values)
    _, offsets, data = present.buffers()
    if not len(present) or data is None:
        return b""
    ends = np.frombuffer(offsets, np.int32)
    return memoryview(data)[ends[present.offset] : ends[present.offset + len(present)]]
