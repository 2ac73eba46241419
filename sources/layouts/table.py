"""Any table with one event per row whose columns the user names.

The format is CSV, TSV, JSON lines or Parquet, in one file or several parts. Other modules find and
read the files; this one turns cells into events and items.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sources.cells.distinct import CellColumn
from sources.cells.event_types import (
    NUM_TYPES,
    TypeNames,
    fault_of,
    unused_type_columns,
    unused_warning,
)
from sources.cells.times import EXPECTED_TIME, times_of, whole_times
from sources.cells.values import (
    expected_id,
    expected_number,
    id_of,
    number_text,
    text_of,
)
from sources.files.blocks import Blocks
from sources.files.folders import DataFolder
from sources.gathering import Gathering
from sources.interactions import FileParts, record_id
from sources.layouts.item_tables import read_items
from sources.layouts.table_files import Table, chunks_of, table_of
from sources.source import REPEATED_ROW, TITLE_CHARS, RawRecord, Reject, Source, SourceError
from sources.tables.columns import Chunk, Columns
from sources.tables.ratings import is_hopeless
from sources.tables.rows import no_good_row, raw_rows

# Fields of a record whose name differs from the role.
_FIELDS = {"user": "user_id", "item": "item_id"}
_UNKNOWN = " "  # marks a type of unknown meaning; no real type is blank


def read_source(folder: DataFolder, file: str, columns: Columns) -> Source:
    """Read a table; raise SourceError when it can't be read."""
    table = table_of(folder, file, columns)
    reading, digests, num_before = _Reading(columns), list[str](), [0]
    for part in table.files:
        blocks = Blocks(folder, part)
        for chunk in chunks_of(blocks, folder, part, columns, reading.rejects):
            reading.take(chunk, part, num_before[-1])
            if is_hopeless(reading.rejects, reading.gathering, folder.limits):
                break
        digests.append(blocks.sha256)
        num_before.append(reading.last_line)
    if not len(reading.gathering):
        named = ", ".join(
            f"{role} in column {column}" for role, column in columns.by_role().items()
        )
        raise no_good_row(folder, file, reading.rejects, f"rows with {named}")
    is_one = len(table.files) == 1
    digest = digests[0] if is_one else hashlib.sha256("".join(digests).encode()).hexdigest()
    parts = (
        FileParts() if is_one else FileParts(files=table.files, num_lines_before=num_before[:-1])
    )
    return _source(folder, table, reading, digest, parts)


def _source(
    folder: DataFolder, table: Table, reading: _Reading, digest: str, parts: FileParts
) -> Source:
    columns, file = reading.columns, table.files[0]
    interactions, repeated = reading.gathering.interactions(file, digest, once=True, parts=parts)
    places = [parts.place_of(line, file) for line in repeated]
    rejects = reading.rejects + [
        Reject(file=name, line=line, reason=REPEATED_ROW) for name, line in places
    ]
    listed = read_items(columns.items) if columns.items is not None else None
    items = NotedItems(noted=reading.items, sha256=digest) if listed is None else listed
    rejects = sorted(rejects, key=lambda reject: (reject.file, reject.line))
    return Source(
        name=f"table ({table.name}{f', {listed.file}' if listed else ''})",
        items=items,
        num_items=len(items),
        items_file=listed.file if listed else file,
        events_path=folder.path_of(file),
        called={_FIELDS.get(role, role): column for role, column in columns.by_role().items()},
        events=interactions,
        rejects=(*(listed.rejects if listed else ()), *rejects),
        read_rejects=partial(raw_rows, folder)
        if listed is None
        else partial(listed.raw_rows, folder),
        warnings=(*_unused_types(table, columns), *table.warnings),
    )


def _unused_types(table: Table, columns: Columns) -> Iterator[str]:
    """Yield a warning if a column looks like event types and `--type` is not given."""
    if columns.type is None:
        others = [name for name in table.names if name not in columns.by_role().values()]
        if found := unused_type_columns(others, table.sample):
            default = (
                "every row is a view"
                if columns.rating is None
                else "rows are ratings, or views where there is no rating"
            )
            yield unused_warning(found, default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedItems:
    """Items by id whose line, title and text were noted while events were read."""

    noted: Mapping[str, tuple[int, str, str]]
    sha256: str

    def __len__(self) -> int:
        return len(self.noted)

    def __iter__(self) -> Iterator[RawRecord]:
        """Yield the items; their ids differ from those of events on the same lines."""
        digest = hashlib.sha256(f"items of {self.sha256}".encode()).hexdigest()
        for item_id, (line, title, text) in self.noted.items():
            yield {
                "event_id": record_id(digest, line),
                "item_id": item_id,
                "title": (title or " ".join(text.split()))[:TITLE_CHARS],
                "text": ". ".join(part for part in (title, text) if part),
                "attributes": {},
            }


class _Reading:
    """Collects events, items and rejects while the files are read.

    `last_line` counts the lines of all files up to the last row taken.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.gathering = Gathering()
        self.items: dict[str, tuple[int, str, str]] = {}
        self.rejects: list[Reject] = []
        self.last_line = 0
        self._types = TypeNames(columns.type, columns.types) if columns.type is not None else None

    def take(self, chunk: Chunk, file: str, num_before: int) -> None:
        """Add a chunk's good rows and reject the others.

        `num_before` is the number of lines in the previous files.
        """
        num_rows = len(chunk.lines_N)
        at_N = (
            times_of(chunk.cells["at"].values().tolist())
            if chunk.whole_at_N is None
            else whole_times(chunk.whole_at_N)
        )
        has_rating_N, ratings_N = _ratings(chunk.cells.get("rating"), num_rows)
        ids = {role: chunk.cells[role].map(id_of) for role in ("user", "item")}
        types = chunk.cells["type"].map(self._type) if self._types is not None else None
        checks = {role: ~cells.equal("") for role, cells in ids.items()}
        checks |= {"at": np.isfinite(at_N), "rating": np.isfinite(ratings_N) | ~has_rating_N}
        if types is not None:
            checks["type"] = ~types.equal(_UNKNOWN) & (~types.equal("") | has_rating_N)
        good_N = np.ones(num_rows, np.bool_)
        for role, passed_N in checks.items():
            for row in np.flatnonzero(good_N & ~passed_N).tolist():
                reason = f"{self.columns.by_role()[role]}: {_fault(role, chunk.cells[role][row])}"
                self.rejects.append(
                    Reject(
                        file=file,
                        line=int(chunk.lines_N[row]),
                        reason=reason,
                        num_lines=chunk.num_lines[row],
                    )
                )
            good_N &= passed_N
        rows = np.flatnonzero(good_N)
        lines_N = chunk.lines_N + num_before
        if num_rows:
            self.last_line = int(lines_N[-1]) + chunk.num_lines[-1] - 1
        if not len(rows):
            return
        self.gathering.add(
            users=ids["user"].take(rows),
            items=ids["item"].take(rows),
            ratings=ratings_N[rows],
            at=at_N[rows],
            lines=lines_N[rows],
            types=None if types is None else types.take(rows),
        )
        self._expect_few_types(file)
        if self.columns.title or self.columns.text:
            self._note_items(chunk, rows, ids["item"], lines_N)

    def _type(self, cell: str) -> str:
        assert self._types is not None
        name = self._types.name_of(cell)
        return _UNKNOWN if name is None else name

    def _expect_few_types(self, file: str) -> None:
        if len(self.gathering.types) > NUM_TYPES:
            found = f"over {NUM_TYPES:,} different values, such as {self.gathering.types[0]!r}"
            raise SourceError(
                file,
                column=self.columns.type,
                found=found,
                expected="types of events, such as view and purchase",
            )

    def _note_items(
        self,
        chunk: Chunk,
        rows: NDArray[np.intp],
        items: CellColumn,
        lines_N: NDArray[np.int64],
    ) -> None:
        """Store title and text of items not yet stored; a row without either is skipped."""
        titles, texts = (chunk.cells.get(role) for role in ("title", "text"))
        for row in rows.tolist():
            item_id = items[row]
            if item_id in self.items:
                continue
            title, text = _cell_text(titles, row), _cell_text(texts, row)
            if title or text:
                self.items[item_id] = (int(lines_N[row]), title, text)


def _cell_text(cells: CellColumn | None, row: int) -> str:
    return "" if cells is None else text_of(cells[row]).strip()


def _ratings(
    cells: CellColumn | None, num_rows: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether each row has a rating, and the rating; NaN if it is not a number."""
    if cells is None:
        return np.zeros(num_rows, np.bool_), np.full(num_rows, np.nan)
    texts = cells.map(number_text)
    numbers = pd.to_numeric(pd.Series(texts.texts, dtype=object), errors="coerce")
    return ~texts.equal(""), numbers.to_numpy(np.float64)[texts.codes_N]


def _fault(role: str, cell: str) -> str:
    """Return the reason why a cell failed its role's check."""
    if role in ("user", "item"):
        return expected_id(cell)
    if role == "type":
        return fault_of(cell)
    return expected_number(cell, EXPECTED_TIME if role == "at" else "a number")
