"""Write recommended lists as rows of CSV or Parquet, or as JSON lines.

A row is an item of a list, a line is an answer. A file appears under its name when it is whole.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from cron.errors import FreshetError

if TYPE_CHECKING:
    import pyarrow as pa

Answer = Mapping[str, object]
Row = dict[str, object]

_TYPES = {
    "user_id": "string",
    "rank": "int32",
    "item_id": "string",
    "title": "string",
    "score": "double",
    "rating": "double",
    "recommendation_id": "string",
    "model_version": "int64",
    "policy": "string",
}
_ENDINGS = (".csv", ".parquet", ".jsonl", ".ndjson")
_ROWS_TOGETHER = 50_000  # a row group of Parquet


class ListsWriter(Protocol):
    """Writes one answer after the other."""

    def write(self, answer: Answer) -> None:
        """Write the list of an answer."""
        ...


@contextmanager
def open_lists(out: Path | None, *, umask: int) -> Iterator[ListsWriter]:
    """Open a file, or the standard output for CSV; raise FreshetError for another ending.

    The file gets the rights that `umask` leaves, as one that a shell writes: it is for others.
    """
    if out is None:
        yield _CsvWriter(sys.stdout)
        return
    suffix = out.suffix.lower()
    if suffix not in _ENDINGS:
        raise FreshetError(f"{out}: found the ending {suffix!r}, expected {', '.join(_ENDINGS)}")
    if out.is_dir():  # it would be noticed after the last list
        raise FreshetError(f"{out}: it is a folder; name a file in it")
    if not out.parent.is_dir():
        raise FreshetError(f"{out}: the folder {out.parent} does not exist; make it first")
    part = out.with_name(f"{out.name}.part")
    try:
        with ExitStack() as stack:
            if suffix == ".parquet":
                yield stack.enter_context(_ParquetWriter(part))
            else:
                file = stack.enter_context(part.open("w", encoding="utf-8", newline=""))
                yield _CsvWriter(file) if suffix == ".csv" else _LinesWriter(file)
        part.chmod(0o666 & ~umask)
        part.replace(out)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class _CsvWriter:
    def __init__(self, file: IO[str]) -> None:
        self._rows = csv.DictWriter(file, list(_TYPES), lineterminator="\n")
        self._has_header = False  # it comes with the first list, so an error prints none

    def write(self, answer: Answer) -> None:
        if not self._has_header:
            self._rows.writeheader()
            self._has_header = True
        self._rows.writerows(_rows(answer))


class _LinesWriter:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, answer: Answer) -> None:
        self._file.write(json.dumps(answer, ensure_ascii=False) + "\n")


class _ParquetWriter:
    def __init__(self, file: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._schema: pa.Schema = pa.schema(list(_TYPES.items()))
        self._rows: list[Row] = []
        self._file = parquet.ParquetWriter(file, self._schema)

    def __enter__(self) -> _ParquetWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()

    def write(self, answer: Answer) -> None:
        self._rows += _rows(answer)
        if len(self._rows) >= _ROWS_TOGETHER:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def _rows(answer: Answer) -> Iterator[Row]:
    shared = {name: answer.get(name) for name in _TYPES if name in answer}
    items = answer["items"]
    assert isinstance(items, list)
    for item in items:
        own = {"item_id": item["id"]} | {name: item.get(name) for name in _TYPES if name in item}
        yield shared | own
