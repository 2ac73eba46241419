"""Any table with named columns, as small files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sources.cells.times import EXPECTED_TIME
from sources.formats import open_source
from sources.source import SourceError
from sources.tables.columns import Columns
from tests.unit.sources.data_sets import SECONDS, csv_lines, events_of, write

NO_TIME = f"when: expected {EXPECTED_TIME}"
TABLE = """who;what;stars;when;words
ü1;i1;4;2016-09-01T00:00:01Z;"Red; shoe
of leather"
ü1;i2;;1472688000000;
ü2;i1;5;2016-09-01 00:00:02;later
"""
COLUMNS = Columns(user="who", item="what", at="when", rating="stars", text="words")


def test_a_table_with_named_columns_is_read(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, {"shop.csv": TABLE.encode()}) / "shop.csv", COLUMNS)
    assert events_of(source) == [
        ("ü1", "i2", "view", None, SECONDS),
        ("ü1", "i1", "rating", 4.0, SECONDS + 1),
        ("ü2", "i1", "rating", 5.0, SECONDS + 2),
    ]
    (shoe,) = source.items
    assert (shoe["item_id"], shoe["title"], shoe["text"]) == (
        "i1",
        "Red; shoe of leather",
        "Red; shoe\nof leather",
    )
    assert len({raw["event_id"] for raw in [*source.items, *source.events]}) == 4, (
        "items and events have the same item ids"
    )


def test_the_delimiter_is_found_by_the_named_columns(tmp_path: Path) -> None:
    columns = Columns(user="u", item="i", at="t")
    for number, name in enumerate(("a|b|c|d|e", '"a;b;c;d;e"')):
        source = open_source(
            write(tmp_path / str(number), {"x.csv": f"u,i,t,{name}\n1,2,{SECONDS},x\n".encode()}),
            columns,
        )
        assert [raw["user_id"] for raw in source.events] == ["1"]


@pytest.mark.parametrize("delimiter", [";", "§", "→"])
def test_excels_first_line_names_any_delimiter(tmp_path: Path, delimiter: str) -> None:
    lines = [f"sep={delimiter}", delimiter.join(("u", "i", "t"))]
    lines += [delimiter.join(("1", f"i{number}", str(SECONDS))) for number in range(3)]
    source = open_source(
        write(tmp_path, {"x.csv": "\n".join(lines).encode()}), Columns(user="u", item="i", at="t")
    )
    assert [raw["item_id"] for raw in source.events] == ["i0", "i1", "i2"]


def test_a_line_break_does_not_end_a_title(tmp_path: Path) -> None:
    rows = 'who,what,when,title,words\n1,2,964982703,"Big\nTitle","body\nmore"\n'
    source = open_source(
        write(tmp_path, {"x.csv": rows.encode()}),
        Columns(user="who", item="what", at="when", title="title", text="words"),
    )
    assert [(raw["title"], raw["text"]) for raw in source.items] == [
        ("Big\nTitle", "Big\nTitle. body\nmore")
    ]


def test_words_that_pandas_accepts_are_not_times(tmp_path: Path) -> None:
    words = ("now", "today", "NaT", "T", "nan", "inf", "true", "1e9")
    rows = csv_lines(
        [("who", "what", "when"), *(("u", "i", word) for word in words), ("u", "i", SECONDS)]
    )
    source = open_source(
        write(tmp_path, {"x.csv": rows}), Columns(user="who", item="what", at="when")
    )
    assert [raw["at"] for raw in source.events] == [1e9, SECONDS]
    assert [(reject.line, reject.reason) for reject in source.rejects] == [
        (line, NO_TIME) for line in range(2, 9)
    ]


def test_a_parquet_table_gives_the_same_records(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "who": ["a", "b", None],
            "what": [1, 2, 3],
            "stars": [4.0, None, 1.0],
            "when": pd.to_datetime([SECONDS, SECONDS, 0], unit="s"),
        }
    )
    frame.to_parquet(tmp_path / "shop.parquet")
    source = open_source(tmp_path, Columns(user="who", item="what", at="when", rating="stars"))
    assert events_of(source) == [
        ("a", "1", "rating", 4.0, SECONDS),
        ("b", "2", "view", None, SECONDS),
    ]
    assert [(reject.line, reject.reason) for reject in source.rejects] == [
        (3, "who: expected an id")
    ]
    (tmp_path / "shop.parquet").write_bytes((tmp_path / "shop.parquet").read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"shop\.parquet: found .*expected a Parquet file"):
        open_source(tmp_path, COLUMNS)


def test_bad_rows_of_a_table_have_line_and_reason(tmp_path: Path) -> None:
    bad = [
        ("u", "i", 4, "yesterday"),
        ("u", "i", "many", SECONDS),
        ("", "i", 4, SECONDS),
        ("u", "", 4, SECONDS),
        ("u", "i"),
    ]
    rows = csv_lines([("who", "what", "stars", "when"), *bad, *[("u", "i", 4, SECONDS)] * 2])
    source = open_source(
        write(tmp_path, {"shop.csv": rows}),
        Columns(user="who", item="what", at="when", rating="stars"),
    )
    assert [(reject.line, reject.reason) for reject in source.rejects] == [
        (2, NO_TIME),
        (3, "stars: expected a number"),
        (4, "who: expected an id"),
        (5, "what: expected an id"),
        (6, "expected 4 columns, found another number"),
        (8, "an earlier row is equal"),
    ]
    with pytest.raises(
        SourceError,
        match=(
            r"shop\.csv, line 1, column stern: found 'who,what,stars,when', expected a "
            r"header with this column"
        ),
    ):
        open_source(tmp_path, Columns(user="who", item="what", at="when", rating="stern"))
