"""Tables in Parquet: every type that a column may have."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources.cells.times import EXPECTED_TIME
from sources.formats import open_source
from sources.source import Source, SourceError
from sources.tables.columns import Columns

SECONDS = 1472688000
NO_TIME = f"t: expected {EXPECTED_TIME}"
COLUMNS = Columns(user="u", item="i", at="t")
WORDS = Columns(user="u", item="i", at="t", title="ti", text="tx")


def read_table(folder: Path, columns: Columns = COLUMNS, **values: pa.Array) -> Source:
    """Read a table of three rows with some columns replaced."""
    rows: Mapping[str, pa.Array] = {
        "u": pa.array(["a", "b", "c"]),
        "i": pa.array(["x", "y", "z"]),
        "t": pa.array([SECONDS] * 3),
    } | values
    pq.write_table(pa.table(rows), folder / "t.parquet")
    return open_source(folder, columns)


def users(source: Source) -> list[object]:
    return [raw["user_id"] for raw in source.events]


def rejects(source: Source) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in source.rejects]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_nan_is_not_an_id(kind: pa.DataType, tmp_path: Path) -> None:
    numbers = pa.array(np.array([17, np.nan, np.inf], kind.to_pandas_dtype()))
    source = read_table(tmp_path, u=numbers)
    assert (users(source), rejects(source)) == (
        ["17"],
        [(2, "u: expected an id"), (3, "u: expected an id")],
    )
    assert rejects(read_table(tmp_path, i=numbers)) == [
        (2, "i: expected an id"),
        (3, "i: expected an id"),
    ]


def test_a_whole_number_has_no_point_whatever_its_type(tmp_path: Path) -> None:
    assert users(
        read_table(tmp_path, u=pa.array([Decimal("1.00"), Decimal("2.50"), Decimal("3.00")]))
    ) == ["1", "2.50", "3"]
    wide = pa.array(
        [Decimal("12345678901234567890123456789012345678"), Decimal(2), Decimal(3)],
        pa.decimal128(38, 0),
    )
    assert users(read_table(tmp_path, u=wide)) == [
        "12345678901234567890123456789012345678",
        "2",
        "3",
    ]
    dates = read_table(tmp_path, t=pa.array([20160901.0, None, 20160901.0]))
    assert ([raw["at"] for raw in dates.events], rejects(dates)) == ([SECONDS] * 2, [(2, NO_TIME)])


@pytest.mark.parametrize("values", [[["a"], ["b", "c"], None], [{"x": 1}] * 3, [True, False, True]])
@pytest.mark.parametrize(
    ("role", "expected"),
    [("u", "texts or whole numbers"), ("i", "texts or whole numbers"), ("t", "times")],
)
def test_a_list_is_not_an_id_or_a_time(
    role: str, expected: str, values: list[object], tmp_path: Path
) -> None:
    with pytest.raises(
        SourceError,
        match=rf"t\.parquet, column {role}: found (list|struct|bool).*, expected {expected}",
    ):
        read_table(tmp_path, **{role: pa.array(values)})


def test_lists_of_texts_are_joined(tmp_path: Path) -> None:
    titles = pa.array([["Red", None, "shoe"], [], None])
    texts = pa.array([[["a"], ["b", "c"]], [], [["d"]]])
    items = list(read_table(tmp_path, WORDS, ti=titles, tx=texts).items)
    assert [(raw["item_id"], raw["title"], raw["text"]) for raw in items] == [
        ("x", "Red, shoe", "Red, shoe. a, b, c"),
        ("z", "d", "d"),
    ]
    with pytest.raises(
        SourceError, match=r"column tx: found list<.*struct.*, expected texts or lists of texts"
    ):
        read_table(tmp_path, WORDS, ti=titles, tx=pa.array([[{"x": 1}]] * 3))


def test_text_that_is_not_utf_8_is_latin_1(tmp_path: Path) -> None:
    data = pa.py_buffer("aéc".encode("latin-1"))
    offsets = pa.py_buffer(np.arange(4, dtype=np.int32).tobytes())
    assert users(read_table(tmp_path, u=pa.StringArray.from_buffers(3, offsets, data))) == [
        "a",
        "é",
        "c",
    ]


def test_an_impossible_date_rejects_its_row(tmp_path: Path) -> None:
    days = pa.array([SECONDS // 86400, 2**31 - 1, None], pa.int32()).cast(pa.date32())
    source = read_table(tmp_path, t=days)
    assert ([raw["at"] for raw in source.events], rejects(source)) == (
        [SECONDS],
        [(2, NO_TIME), (3, NO_TIME)],
    )


def test_a_repeated_column_is_refused_if_it_is_used(tmp_path: Path) -> None:
    names, values = (
        ["u", "i", "t", "x", "x"],
        [pa.array(["a"]), pa.array(["x"]), pa.array([SECONDS]), pa.array([1]), pa.array([2])],
    )
    pq.write_table(pa.Table.from_arrays(values, names), tmp_path / "t.parquet")
    assert users(open_source(tmp_path, COLUMNS)) == ["a"]
    with pytest.raises(
        SourceError,
        match=(
            r"t\.parquet, line 1, column x: found 'u,i,t,x,x', expected a header with this "
            r"column once"
        ),
    ):
        open_source(tmp_path, Columns(user="x", item="i", at="t"))


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(16)])
def test_bytes_that_are_not_text_are_not_ids(kind: pa.DataType, tmp_path: Path) -> None:
    texts, noise = (pa.array([one * 16] * 3, kind) for one in (b"a", b"\xe9"))
    assert users(read_table(tmp_path, u=texts)) == ["a" * 16] * 3
    for values in (
        noise,
        pa.array([None, b"\0" * 15 + b"\1", None], kind),
        noise.dictionary_encode(),
    ):
        with pytest.raises(
            SourceError,
            match=(
                r"t\.parquet, column i: found .*binary.* that is not text, (e9|00){15}.*, "
                r"expected texts or whole"
            ),
        ):
            read_table(tmp_path, i=values)


def test_a_nan_rating_is_no_rating(tmp_path: Path) -> None:
    rated = Columns(user="u", item="i", at="t", rating="r")
    source = read_table(tmp_path, rated, r=pa.array([4.0, np.nan, np.inf]))
    assert [raw.get("rating") for raw in source.events] == [4.0, None]
    assert rejects(source) == [(3, "r: expected a number")]


_COUNT_THREADS = """
import sys
import threading
from pathlib import Path

import psutil

from sources.formats import open_source
from sources.tables.columns import Columns


def num_of_libraries():
    return psutil.Process().num_threads() - threading.active_count()


before = num_of_libraries()
source = open_source(Path(sys.argv[1]), Columns(user="u", item="i", at="t"))
assert len(list(source.events)) == 2
assert [reject.line for reject, _ in source.read_rejects(source.rejects)] == [2]
assert num_of_libraries() == before, "threads that outlive the reading"
"""


def test_no_thread_outlives_the_reading(tmp_path: Path) -> None:
    """A thread of Arrow that held the file when Python ended aborted a finished `ingest`."""
    read_table(tmp_path, i=pa.array(["x", None, "z"]))
    subprocess.run([sys.executable, "-c", _COUNT_THREADS, str(tmp_path)], check=True)
