"""The questions of a file: one for each user of a CSV, TSV or Parquet table, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cron.errors import FreshetError

if TYPE_CHECKING:
    import pyarrow as pa

Question = Mapping[str, object]

USER_COLUMN = "user_id"
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
_MAX_ROWS = 10_000  # of a Parquet table, read at a time


def read_questions(file: Path, user_column: str) -> Iterator[Question]:
    """Yield the bodies of `POST /v1/recommendations` that a file asks; raise FreshetError.

    A row of a table is a user. A JSON line is a whole body.
    """
    import pyarrow as pa

    try:
        yield from _questions(file, user_column)
    except pa.ArrowKeyError as error:
        raise _without_column(file, user_column) from error
    except FileNotFoundError as error:
        raise FreshetError(f"{file} does not exist") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise FreshetError(f"{file} can't be read: {error}") from error


def _questions(file: Path, user_column: str) -> Iterator[Question]:
    suffix = file.suffix.lower()
    if suffix in _JSON_LINES:
        return _json_lines(file)
    if suffix == ".parquet":
        return _users(file, user_column, _parquet_users(file, user_column))
    if suffix in _DELIMITERS:
        return _users(file, user_column, _delimited_users(file, user_column, _DELIMITERS[suffix]))
    known = ", ".join((*_DELIMITERS, ".parquet", *_JSON_LINES))
    raise FreshetError(f"{file}: found the ending {suffix!r}, expected one of {known}")


def _json_lines(file: Path) -> Iterator[Question]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _object(file, number, line)


def _object(file: Path, number: int, line: bytes) -> Question:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FreshetError(f"{file}, line {number}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise FreshetError(
            f"{file}, line {number}: found a JSON {type(found).__name__}, expected an object such "
            'as {"user_id": "ann"}'
        )
    return found


def _users(file: Path, column: str, parts: Iterator[pa.Array]) -> Iterator[Question]:
    users = (user for part in parts for user in part.to_pylist())
    for number, user in enumerate(users, 1):
        if user is None or user == "":
            raise FreshetError(f"{file}, row {number}: {column} is empty")
        yield {"user_id": str(user)}


def _delimited_users(file: Path, column: str, delimiter: str) -> Iterator[pa.Array]:
    import pyarrow as pa
    from pyarrow import csv

    # ids stay as they are written: 007 is not 7
    convert = csv.ConvertOptions(
        include_columns=[column], column_types={column: pa.string()}, strings_can_be_null=False
    )
    parse = csv.ParseOptions(delimiter=delimiter)
    with csv.open_csv(file, parse_options=parse, convert_options=convert) as reader:
        for batch in reader:
            yield batch.column(0)


def _parquet_users(file: Path, column: str) -> Iterator[pa.Array]:
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(file) as table:
        names = table.schema_arrow.names
        if column not in names:
            raise _without_column(file, column)
        kind = table.schema_arrow.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or _is_other_text(kind)):
            raise FreshetError(f"{file}: {column} is {kind}, expected texts or whole numbers")
        for batch in table.iter_batches(batch_size=_MAX_ROWS, columns=[column]):
            yield batch.column(0)


def _is_other_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _without_column(file: Path, column: str) -> FreshetError:
    return FreshetError(
        f"{file} has no column {column!r}; name the column of user ids with --user COLUMN"
    )
