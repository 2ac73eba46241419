"""An event file of a snapshot, local or in a store, and its shards, some for each rank.

A shard is some row groups, one after the other, with all events of their users. Shards are in the
order of the users. Each rank has some shards in a row, so that all ranks together read the file in
its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem, LocalFileSystem

_USER = "user_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """A Parquet file of events; errors are OSError and ArrowException."""

    files: FileSystem
    path: str

    @classmethod
    def local(cls, path: Path) -> EventFile:
        """Return the file at a path of this machine."""
        return cls(files=LocalFileSystem(), path=str(path))

    def rows(self) -> EventRows:
        """Return all rows."""
        return EventRows(file=self, row_groups=tuple(range(self._metadata().num_row_groups)))

    def share(self, rank: int, num_ranks: int) -> EventRows:
        """Return the rows of a rank; there are none for some if there are fewer shards."""
        groups = _row_groups(self._metadata())
        return EventRows(file=self, row_groups=share_of(shards_of(groups), rank, num_ranks))

    def _metadata(self) -> pq.FileMetaData:
        with self.files.open_input_file(self.path) as source:
            return pq.ParquetFile(source).metadata

    def read(
        self, row_groups: Sequence[int], columns: Sequence[str] | None, texts: Sequence[str]
    ) -> pa.Table:
        """Return columns of some row groups, None for all; `texts` become dictionaries."""
        with (
            self.files.open_input_file(self.path) as source,
            pq.ParquetFile(source, read_dictionary=list(texts), pre_buffer=True) as file,
        ):
            names = list(columns) if columns is not None else None
            return file.read_row_groups(list(row_groups), columns=names)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRows:
    """Some row groups of an event file."""

    file: EventFile
    row_groups: tuple[int, ...]

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column; names, which have few distinct values, as a dictionary."""
        return self.file.read(self.row_groups, [name], [name]).column(name)

    def texts(self, name: str) -> pa.ChunkedArray:
        """Return a column of texts that are all different."""
        return self.file.read(self.row_groups, [name], []).column(name)

    def table(self) -> pa.Table:
        """Return all columns."""
        return self.file.read(self.row_groups, None, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """The number of rows of a row group, and its first and last user, if the file says them."""

    num_rows: int
    users: tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The row groups [first, stop), and how many rows they have."""

    first: int
    stop: int
    num_rows: int


def shards_of(groups: Sequence[RowGroup]) -> list[Shard]:
    """Return the shortest runs of row groups between which no user is divided.

    Nor do users of a later one come before those of an earlier one.
    """
    if any(one.users is None for one in groups):
        return [Shard(first=0, stop=len(groups), num_rows=sum(one.num_rows for one in groups))]
    users = [one.users for one in groups if one.users is not None]
    last_G = list(accumulate((last for _, last in users), max))
    first_G = list(accumulate((first for first, _ in reversed(users)), min))[::-1]
    shards: list[Shard] = []
    begin = 0
    for end in range(1, len(groups) + 1):
        if end == len(groups) or last_G[end - 1] < first_G[end]:
            num_rows = sum(one.num_rows for one in groups[begin:end])
            shards.append(Shard(first=begin, stop=end, num_rows=num_rows))
            begin = end
    return shards


def share_of(shards: Sequence[Shard], rank: int, num_ranks: int) -> tuple[int, ...]:
    """Return the row groups of a rank: those of shards whose middle is in its part of the rows."""
    num_rows = sum(one.num_rows for one in shards)
    chosen: list[int] = []
    begin = 0
    for shard in shards:
        middle = begin + shard.num_rows / 2
        if num_rows == 0:
            is_mine = rank == 0
        else:
            is_mine = min(int(middle / num_rows * num_ranks), num_ranks - 1) == rank
        if is_mine:
            chosen.extend(range(shard.first, shard.stop))
        begin += shard.num_rows
    return tuple(chosen)


def _row_groups(metadata: pq.FileMetaData) -> list[RowGroup]:
    """Return what the footer of a file says of its row groups."""
    column = metadata.schema.names.index(_USER)
    groups = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        found = group.column(column).statistics
        users = None
        if found is not None and found.has_min_max:
            users = (found.min, found.max)
        groups.append(RowGroup(num_rows=group.num_rows, users=users))
    return groups
