"""Events of a whole journal in the order of their users, with bounded memory.

The events are written once to files, each of which has a range of users, and each file is sorted in
memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc

# With short ids an event takes 41 bytes, and 63 without LZ4.
_OPTIONS = pyarrow.ipc.IpcWriteOptions(compression="lz4")
TIMELINE = tuple((name, "ascending") for name in ("user_id", "at_us", "event_id"))


def user_bounds(user_ids: Sequence[str], *, num_parts: int) -> list[str]:
    """Return the user ids that divide a sample, with repetitions, into parts of equal size."""
    ordered = sorted(user_ids)
    places = [len(ordered) * part // num_parts for part in range(1, num_parts)]
    return sorted({ordered[place] for place in places}) if ordered else []


def sorted_by_user(
    tables: Iterator[pa.Table], bounds: Sequence[str], folder: Path
) -> Iterator[pa.Table]:
    """Yield all rows in the order of TIMELINE, in tables of a range of users each.

    `folder` is empty, and is empty again at the end.
    """
    for path in write_parts(tables, bounds, folder):
        part = read_part(path)
        path.unlink()
        yield part.sort_by(list(TIMELINE))


def write_parts(
    tables: Iterator[pa.Table], bounds: Sequence[str], folder: Path
) -> tuple[Path, ...]:
    """Write all rows to files of a range of users each; return those that have rows, in order."""
    paths = [folder / f"{part}.arrow" for part in range(len(bounds) + 1)]
    _distribute(tables, bounds, paths)
    return tuple(path for path in paths if path.exists())


def read_part(path: Path) -> pa.Table:
    """Return the rows of a file that `write_parts` wrote, in the order in which they came."""
    with pyarrow.ipc.open_stream(path) as stream:
        return stream.read_all()


def _distribute(tables: Iterator[pa.Table], bounds: Sequence[str], paths: Sequence[Path]) -> None:
    """Append each row to the file of its user's range."""
    with ExitStack() as files:
        writers: dict[int, Callable[[pa.Table], None]] = {}
        for number, rows in chain.from_iterable(_split(table, bounds) for table in tables):
            if number not in writers:
                stream = pyarrow.ipc.new_stream(paths[number], rows.schema, options=_OPTIONS)
                writers[number] = files.enter_context(stream).write_table
            writers[number](rows)


def _split(table: pa.Table, bounds: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the number of each range that has rows, and its rows."""
    part_N = _parts(table["user_id"], bounds)
    order = np.argsort(part_N, kind="stable")
    ordered = table.take(pa.array(order))
    numbers, starts, lengths = np.unique(part_N[order], return_index=True, return_counts=True)
    for number, start, length in zip(numbers.tolist(), starts, lengths, strict=True):
        yield number, ordered.slice(start, length)


def _parts(
    user_ids: pa.ChunkedArray, bounds: Sequence[str]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    encoded = user_ids.combine_chunks().dictionary_encode()
    of_user = [bisect_right(bounds, user_id) for user_id in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return np.array(of_user, np.int64)[codes] if of_user else np.zeros(0, np.int64)
