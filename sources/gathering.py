"""Collects rows in file order and puts them into time order, in parts that fit into memory.

Rows wait in a file. Unless they are in time order already, they are distributed to files of a range
of times each, and each of these is sorted alone. Rows of one microsecond are never divided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sources.cells.distinct import CellColumn
from sources.interactions import CHUNK_ROWS, FileParts, Interactions, whole_micros
from sources.row_file import ROW, RowFile, Rows

_SAMPLED_ROWS = 1_000  # one time in so many is remembered
_MAX_PARTS = 256  # open files


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheringSizes:
    """How many rows are read at once, and how many are sorted at once (200 bytes each)."""

    chunk_rows: int = CHUNK_ROWS
    part_rows: int = 1_000_000


SIZES = GatheringSizes()


class Gathering:
    """Rows to be turned into Interactions; chunks are added in file order."""

    def __init__(self, sizes: GatheringSizes = SIZES) -> None:
        self._sizes = sizes
        self._users, self._items, self._types = _Codes(), _Codes(), _Codes()
        self._rows = RowFile()
        self._sampled_at: list[NDArray[np.float64]] = []
        self._last_at = -np.inf
        self._is_ordered = True

    @property
    def types(self) -> Sequence[str]:
        """The distinct types that were added."""
        return self._types.ids

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        *,
        users: CellColumn,
        items: CellColumn,
        ratings: ArrayLike,
        at: ArrayLike,
        lines: ArrayLike,
        types: CellColumn | None = None,
    ) -> None:
        """Add a chunk of rows, columns of equal length; ids lose surrounding blanks.

        Either all chunks have types or none.
        """
        rows = np.zeros(len(users), ROW)
        rows["user"], rows["item"] = self._users.of(users), self._items.of(items)
        rows["rating"], rows["at"], rows["line"] = ratings, at, lines
        if types is not None:
            rows["type"] = self._types.of(types)
        self._note_order(rows["at"])
        self._rows.append(rows)

    def interactions(
        self,
        file: str,
        file_sha256: str,
        *,
        once: bool = False,
        type_without_rating: str = "view",
        parts: FileParts | None = None,
    ) -> tuple[Interactions, list[int]]:
        """Return the rows in time order, and the lines of repeated rows.

        With `once`, a row that equals an earlier one is left out and its line is returned. It is
        called once, at the end.
        """
        ordered, repeated = RowFile(), list[int]()
        for rows in self._in_time_order():
            if once:
                is_repeat_N = _repeats(rows)
                repeated += rows["line"][is_repeat_N].tolist()
                rows = rows[~is_repeat_N]  # noqa: PLW2901
            rows["place"] = _places(rows["user"], whole_micros(rows["at"]), self._sizes.chunk_rows)
            ordered.append(rows)
        gathered = Interactions(
            file=file,
            file_sha256=file_sha256,
            user_ids=self._users.ids,
            item_ids=self._items.ids,
            rows=ordered,
            type_without_rating=type_without_rating,
            types=self._types.ids or ("",),
            parts=parts or FileParts(),
            chunk_rows=self._sizes.chunk_rows,
        )
        return gathered, sorted(repeated)

    def _note_order(self, at_C: NDArray[np.float64]) -> None:
        if len(at_C):
            is_ordered = at_C[0] >= self._last_at and bool((at_C[1:] >= at_C[:-1]).all())
            self._is_ordered &= is_ordered
            self._last_at = float(at_C[-1])
            self._sampled_at.append(at_C[::_SAMPLED_ROWS].copy())

    def _in_time_order(self) -> Iterator[Rows]:
        """Yield parts of the rows, in time order; empty the file."""
        with closing(self._rows):
            if self._is_ordered:
                yield from _whole_times(self._rows, self._sizes.part_rows)
                return
            files = self._by_time()
        for part in files:
            with closing(part):
                rows = part.between(0, len(part))
            yield rows[np.argsort(rows["at"], kind="stable")]

    def _by_time(self) -> list[RowFile]:
        """Distribute the rows to files of a range of times each."""
        num_parts = min(-(-len(self._rows) // self._sizes.part_rows), _MAX_PARTS)
        sampled = np.sort(whole_micros(np.concatenate(self._sampled_at)))
        bounds = np.unique(sampled[len(sampled) * np.arange(1, num_parts) // num_parts])
        files = [RowFile(memory_bytes=ROW.itemsize * _SAMPLED_ROWS) for _ in range(len(bounds) + 1)]
        for rows in self._rows.chunks(0, len(self._rows), num_rows=self._sizes.part_rows):
            part_C = np.searchsorted(bounds, whole_micros(rows["at"]), side="right")
            for part in np.unique(part_C).tolist():
                files[part].append(rows[part_C == part])
        return files


def _whole_times(ordered: RowFile, part_rows: int) -> Iterator[Rows]:
    """Yield parts of rows in time order; the rows of one microsecond are in one part."""
    rest = np.zeros(0, ROW)
    for read in ordered.chunks(0, len(ordered), num_rows=part_rows):
        rows = np.concatenate([rest, read])
        at_us = whole_micros(rows["at"])
        end = int(np.searchsorted(at_us, at_us[-1]))
        yield rows[:end]
        rest = rows[end:]
    yield rest


def _repeats(rows: Rows) -> NDArray[np.bool_]:
    """Mark the rows that equal an earlier one of the same time; rows are in time order.

    Only rows that share their time are hashed: hashing two million rows took 120 MB more.
    """
    at_N = rows["at"]
    like_next = at_N[1:] == at_N[:-1]
    shared_N = np.zeros(len(at_N), np.bool_)
    shared_N[1:] |= like_next
    shared_N[:-1] |= like_next
    shared = rows[shared_N]
    columns = pd.DataFrame(
        {name: shared[name] for name in ("user", "item", "rating", "at", "type")}
    )
    is_repeat_N = np.zeros(len(at_N), np.bool_)
    is_repeat_N[shared_N] = columns.duplicated().to_numpy()
    return is_repeat_N


def _places(
    users_N: NDArray[np.int32], at_us_N: NDArray[np.int64], chunk_rows: int
) -> NDArray[np.int32]:
    """Return how many earlier rows have the same user and time; rows are in time order."""
    places_N = np.zeros(len(users_N), np.int32)
    begin = 0
    # By chunks: sorting ten million rows whose times are whole days took 500 MB.
    while begin < len(users_N):
        last_us = at_us_N[min(begin + chunk_rows, len(users_N)) - 1]
        end = int(np.searchsorted(at_us_N, last_us, side="right"))
        users_C, at_us_C = users_N[begin:end], at_us_N[begin:end]
        order_C = np.lexsort((users_C, at_us_C))
        users_C, at_us_C = users_C[order_C], at_us_C[order_C]
        is_first_C = np.ones(end - begin, np.bool_)
        is_first_C[1:] = (users_C[1:] != users_C[:-1]) | (at_us_C[1:] != at_us_C[:-1])
        firsts = np.flatnonzero(is_first_C)
        places_N[begin + order_C] = np.arange(end - begin) - np.repeat(
            firsts, np.diff(firsts, append=end - begin)
        )
        begin = end
    return places_N


class _Codes:
    """Assigns a number to each id, in order of first appearance."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._codes: dict[str, int] = {}

    def of(self, cells: CellColumn) -> NDArray[np.int32]:
        places_N, used = pd.factorize(cells.codes_N)
        codes = [self._code(cells.texts[one].strip()) for one in used.tolist()]
        return np.array(codes, np.int32)[places_N]

    def _code(self, one: str) -> int:
        code = self._codes.setdefault(one, len(self.ids))
        if code == len(self.ids):
            self.ids.append(one)
        return code
