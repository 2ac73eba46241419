"""Any table with a row an event: CSV, TSV or Parquet, whose columns the user names.

Times may be numbers since 1970 (seconds, milli-, micro- or nanoseconds, told by their size) or ISO 8601; a time without a zone is UTC.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import partial
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trainer.sources.cells import expected_number, ids_of, values_of
from trainer.sources.files import Blocks, DataFolder
from trainer.sources.interactions import Gathering, record_id
from trainer.sources.lines import is_hopeless
from trainer.sources.magic import PARQUET
from trainer.sources.quoted import Row, cells_of, csv_rows, expect_header
from trainer.sources.rows import as_text, no_good_row, raw_rows, text_lines
from trainer.sources.source import RawRecord, Reject, Source, SourceError

FILES = ".csv, .tsv or .parquet"
_ENDINGS = (*PARQUET, ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".txt", ".txt.gz")
_DELIMITERS = "\t,;|"
_CHUNK_ROWS = 50_000
_EXPECTED = {"user": "an id", "item": "an id", "at": "a time", "rating": "a number"}
_FIELDS = {"user": "user_id", "item": "item_id"}  # of a record, where it is not called as the role
_TITLE_CHARACTERS = 100
_SHOWN_DIGITS = 32
# A time is in the unit whose least plausible value it reaches: 1e11 s is the year 5138, 1e11 ms is 1973.
_TICKS_PER_S = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_TICKS_OF_UNIT = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column plays which role. Without `rating` the events are views; `title` and `text` make an item of each item's first row."""

    user: str
    item: str
    at: str
    rating: str | None = None
    title: str | None = None
    text: str | None = None

    def by_role(self) -> dict[str, str]:
        """Return the named columns by role."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {role: column for role, column in named if column is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Rows of the file: their first lines, how many each has, and for each role the column as text, empty where there is nothing."""

    lines_N: NDArray[np.int64]
    num_lines: Sequence[int]
    texts: Mapping[str, Sequence[str]]


def sets_in(folder: DataFolder) -> list[str]:
    """Name the tables of a folder; a file that was chosen is one whatever it is called."""
    return sorted(name for name in folder.names if name == folder.chosen or (not folder.chosen and name.lower().endswith(_ENDINGS)))


def read(folder: DataFolder, file: str, columns: Columns) -> Source:
    """Read a table; raise SourceError when it can't be read."""
    rejects, blocks = list[Reject](), Blocks(folder, file)
    chunks = (
        _parquet(blocks, folder.path_of(file), columns)
        if file.lower().endswith(PARQUET)
        else _delimited(blocks, folder, file, columns, rejects)
    )
    gathering, items = Gathering(), dict[str, tuple[int, str, str]]()
    for chunk in chunks:
        good_N = _gather(chunk, file, columns, gathering, rejects)
        if columns.title or columns.text:
            _note_items(chunk, good_N, items)
        if is_hopeless(rejects, gathering):
            break
    if not len(gathering):
        named = ", ".join(f"{role} in column {column}" for role, column in columns.by_role().items())
        raise no_good_row(folder, file, rejects, f"rows with {named}")
    interactions, repeated = gathering.interactions(file, blocks.sha256, once=True)
    rejects += [Reject(file=file, line=line, reason="an equal row stands before it") for line in repeated]
    return Source(
        name=f"table ({file})",
        licence="yours to know",
        items=_records(items, blocks.sha256),
        num_items=len(items),
        items_file=file,
        events_path=folder.path_of(file),
        called=_called(columns),
        events=interactions,
        rejects=tuple(sorted(rejects, key=lambda reject: reject.line)),
        read_rejects=partial(raw_rows, folder),
    )


def _called(columns: Columns) -> dict[str, str]:
    return {_FIELDS.get(role, role): column for role, column in columns.by_role().items()}


def _delimited(blocks: Blocks, folder: DataFolder, file: str, columns: Columns, rejects: list[Reject]) -> Iterator[_Chunk]:
    header_line = folder.first_line(file)
    roles = columns.by_role()
    delimiter = max(_DELIMITERS, key=lambda one: (len({*roles.values()} & {*cells_of(header_line, one)}), header_line.count(one)))
    rows = csv_rows(text_lines(blocks), folder.path_of(file), expected=list(roles.values()), delimiter=delimiter)
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        rejects += [row for row in chunk if isinstance(row, Reject)]
        good = [row for row in chunk if isinstance(row, Row)]
        texts = {role: _cells([row.cells[place] for row in good], role) for place, role in enumerate(roles)}
        lines_N = np.array([row.line for row in good], np.int64)
        yield _Chunk(lines_N=lines_N, num_lines=[row.num_lines for row in good], texts=texts)


def _cells(cells: list[str], role: str) -> Sequence[str]:
    if role == "at":  # in which a word for nothing is no time, as any word
        return cells
    return ids_of(cells).tolist() if role in ("user", "item") else values_of(cells)


def _parquet(blocks: Blocks, path: str, columns: Columns) -> Iterator[_Chunk]:
    """Parquet's index lies at its end, so the file is held in memory, packed as it is; the rows come in chunks."""
    data = b"".join(blocks)
    first_line = 1
    try:
        table = pq.ParquetFile(io.BytesIO(data))
        expect_header(path, table.schema_arrow.names, list(columns.by_role().values()))
        _expect_types(path, table.schema_arrow, columns)
        for batch in table.iter_batches(_CHUNK_ROWS, columns=sorted(set(columns.by_role().values()))):
            for column in (columns.user, columns.item):
                _expect_words(path, column, batch.column(column))
            texts = {
                role: _as_texts(batch.column(column), is_number=role in ("at", "rating")) for role, column in columns.by_role().items()
            }
            lines_N = np.arange(first_line, first_line + batch.num_rows)
            yield _Chunk(lines_N=lines_N, num_lines=[1] * batch.num_rows, texts=texts)
            first_line += batch.num_rows
    except (pa.ArrowException, OSError, OverflowError) as error:
        expected = "a Parquet file; fetch it again if the download broke off"
        raise SourceError(path, found=str(error).splitlines()[0], expected=expected) from error


def _expect_types(path: str, schema: pa.Schema, columns: Columns) -> None:
    """Raise SourceError for a column that holds nothing of its role's kind: no id is true or a list, and only words come in lists."""
    for role, column in columns.by_role().items():
        kind = schema.field(column).type
        if role in ("title", "text"):
            kind, expected = _leaf(kind), "texts or lists of texts"
        else:
            expected = {"at": "times", "rating": "numbers"}.get(role, "texts or whole numbers")
        if pa.types.is_nested(kind) or pa.types.is_boolean(kind):
            raise SourceError(path, column=column, found=str(schema.field(column).type), expected=expected)


def _expect_words(path: str, column: str, ids: pa.Array) -> None:
    """Raise SourceError for ids in bytes that are no text: UUIDs and digests as such would be noise, one id or another."""
    kind = ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type
    if not str(kind).endswith(("binary", "binary_view")) and not pa.types.is_fixed_size_binary(kind):
        return
    for value in ids.to_pylist():
        if value is not None and not _is_text(value):
            expected = "texts or whole numbers; write UUIDs, digests and the like as text"
            raise SourceError(path, column=column, found=f"{kind} that is no text, {value.hex()[:_SHOWN_DIGITS]}", expected=expected)


def _is_text(value: bytes) -> bool:
    try:
        return "\0" not in value.decode()
    except UnicodeDecodeError:
        return False


def _leaf(kind: pa.DataType) -> pa.DataType:
    """Return what is in a list, or in lists of lists; any other type is its own leaf."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return _leaf(kind.value_type) if is_list else kind


def _as_texts(column: pa.Array, *, is_number: bool) -> Sequence[str]:
    """Return values as texts, empty where there is nothing, as which counts a number that is none where no number is wanted."""
    if pa.types.is_timestamp(column.type):
        ticks_per_s = _TICKS_OF_UNIT[column.type.unit]
        return ["" if ticks is None else repr(ticks / ticks_per_s) for ticks in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_integer(column.type) or pa.types.is_date(column.type):  # of which Python's end in the year 9999
        column = column.cast(pa.string())
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary()).to_pylist()
    return [value if isinstance(value, str) else _as_text(value, is_number=is_number) for value in values]


def _as_text(value: object, *, is_number: bool) -> str:
    """Return one value as text: a whole number without a point (a missing one makes pandas store all of them as floats), lists joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, list):
        return ", ".join(filter(None, (_as_text(one, is_number=False) for one in value)))
    if isinstance(value, float | np.floating | Decimal):
        if math.isfinite(value):
            return str(int(value)) if value == int(value) else str(value)
        return str(value) if is_number and not math.isnan(value) else ""
    return "" if value is None else str(value)


def _gather(chunk: _Chunk, file: str, columns: Columns, gathering: Gathering, rejects: list[Reject]) -> NDArray[np.bool_]:
    """Gather a chunk's good rows, reject the others; return which were good."""
    texts = chunk.texts
    at_N = _times(texts["at"])
    rating_texts = pd.Series(texts.get("rating", [""] * len(at_N)), dtype=str).str.strip()
    ratings_N = pd.to_numeric(rating_texts, errors="coerce").to_numpy(np.float64)
    checks = {
        "user": np.array([bool(one.strip()) for one in texts["user"]], np.bool_),
        "item": np.array([bool(one.strip()) for one in texts["item"]], np.bool_),
        "at": np.isfinite(at_N),
        "rating": np.isfinite(ratings_N) | (rating_texts == "").to_numpy(np.bool_),
    }
    good_N = np.ones(len(at_N), np.bool_)
    for role, passed_N in checks.items():
        for row in np.flatnonzero(good_N & ~passed_N).tolist():
            what = _EXPECTED[role]
            expected = f"expected {what}" if role in ("user", "item") else expected_number(texts[role][row], what)
            reason = f"{columns.by_role()[role]}: {expected}"
            rejects.append(Reject(file=file, line=int(chunk.lines_N[row]), reason=reason, num_lines=chunk.num_lines[row]))
        good_N &= passed_N
    rows = np.flatnonzero(good_N)
    if len(rows):
        users, items = ([texts[role][row] for row in rows.tolist()] for role in ("user", "item"))
        gathering.add(user_ids=users, item_ids=items, ratings=ratings_N[rows], at=at_N[rows], lines=chunk.lines_N[rows])
    return good_N


def _times(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return epoch seconds; NaN where a text is no time."""
    column = pd.Series(texts, dtype=str).str.strip()
    at_N = pd.to_numeric(column, errors="coerce").to_numpy(np.float64).copy()
    is_date = column.str.fullmatch(r"\d{8}").to_numpy(np.bool_)  # 20160901, as in records
    named = (np.isnan(at_N) | is_date) & (column != "").to_numpy(np.bool_)
    for least, ticks_per_s in _TICKS_PER_S:
        at_N = np.where(at_N >= least, at_N / ticks_per_s, at_N)
    if named.any():
        dates = column[named].where(column[named].str.match(r"\d{4}"))  # pandas knows `now` and `today` too
        moments = pd.to_datetime(dates, format="ISO8601", utc=True, errors="coerce")
        at_N[named] = [moment.timestamp() if moment is not pd.NaT else np.nan for moment in moments]
    return at_N


def _note_items(chunk: _Chunk, good_N: NDArray[np.bool_], items: dict[str, tuple[int, str, str]]) -> None:
    """Note title and text of the items that come first here; a row without either names none."""
    titles, texts = (chunk.texts.get(role, [""] * len(good_N)) for role in ("title", "text"))
    for row in np.flatnonzero(good_N).tolist():
        item_id = chunk.texts["item"][row].strip()
        if item_id not in items and (titles[row].strip() or texts[row].strip()):
            items[item_id] = (int(chunk.lines_N[row]), titles[row].strip(), texts[row].strip())


def _records(items: Mapping[str, tuple[int, str, str]], file_sha256: str) -> list[RawRecord]:
    """Return the items; their ids differ from those of the events in the same lines."""
    digest = hashlib.sha256(f"items of {file_sha256}".encode()).hexdigest()
    records: list[RawRecord] = []
    for item_id, (line, title, text) in items.items():
        shown = title or " ".join(text.split())[:_TITLE_CHARACTERS]
        both = ". ".join(part for part in (title, text) if part)
        records.append({"event_id": record_id(digest, line), "item_id": item_id, "title": shown, "text": both, "attributes": {}})
    return records
