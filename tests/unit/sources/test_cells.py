"""Cells as databases, pandas and spreadsheets write them, and files that are not text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from sources.cells.times import EXPECTED_TIME
from sources.formats import open_source
from sources.source import Source, SourceError
from sources.tables.columns import Columns

SECONDS = 1472688000
COLUMNS = Columns(user="who", item="what", at="when", rating="stars", title="name")
NOTHING = (r"\N", "NULL", "nan", "NaN", "None")


def read_table(folder: Path, *rows: str) -> Source:
    (folder / "t.csv").write_text(
        "".join(f"{row}\n" for row in ("who;what;stars;when;name", *rows))
    )
    return open_source(folder / "t.csv", COLUMNS)


def rejects(source: Source) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in source.rejects]


def ids(source: Source) -> list[tuple[object, object]]:
    return [(raw["user_id"], raw["item_id"]) for raw in source.events]


def test_whole_numbers_in_a_column_of_floats_lose_the_point(tmp_path: Path) -> None:
    source = read_table(
        tmp_path, f"12.0; 7.0 ;4;{SECONDS};x", f";7;4;{SECONDS};x", f"1.5;v1.0;4;{SECONDS};x"
    )
    assert ids(source) == [("12", "7"), ("1.5", "v1.0")]
    assert [raw["item_id"] for raw in source.items] == ["7", "v1.0"]


@pytest.mark.parametrize("ending", ["", ".0"])
def test_differently_written_ids_match_their_films(ending: str, tmp_path: Path) -> None:
    other = "" if ending else ".0"
    (tmp_path / "ratings.csv").write_text(
        f"userId,movieId,rating,timestamp\n1.0,296{ending},5.0,{SECONDS}\n,296,5.0,{SECONDS}\n"
    )
    (tmp_path / "movies.csv").write_text(f"movieId,title,genres\n296{other},Heat,Crime\n")
    (tmp_path / "tags.csv").write_text(
        f"userId,movieId,tag,timestamp\n1,296{ending},fast,1\n2,296{other},fast,1\n"
    )
    source = open_source(tmp_path)
    assert (ids(source), source.is_linked()) == ([("1", "296")], True)
    assert [(raw["item_id"], raw["text"]) for raw in source.items] == [("296", "Heat. Crime. fast")]
    assert rejects(source) == [(3, "userId: expected an id")]


@pytest.mark.parametrize("word", NOTHING)
def test_words_of_databases_for_nothing_are_empty(word: str, tmp_path: Path) -> None:
    good = f"u;i;{word};{SECONDS};{word}"
    source = read_table(
        tmp_path,
        f"{word};i;4;{SECONDS};x",
        f"u;{word};4;{SECONDS};x",
        f"u;i;4;{word};x",
        good,
        f"u;i {word};4;{SECONDS};x",
    )
    assert rejects(source) == [
        (2, f"who: {word} is a word for nobody, expected an id"),
        (3, f"what: {word} is a word for nobody, expected an id"),
        (4, f"when: expected {EXPECTED_TIME}"),
    ]
    assert [(raw["item_id"], raw["type"]) for raw in source.events] == [
        ("i", "view"),
        (f"i {word}", "rating"),
    ]
    assert [raw["item_id"] for raw in source.items] == [f"i {word}"], "a title is empty too"


def test_a_decimal_comma_is_suggested(tmp_path: Path) -> None:
    source = read_table(
        tmp_path, f"u;i;4,5;{SECONDS};x", f"u;i;4,5,6;{SECONDS};x", f"u;i;4;{SECONDS};x"
    )
    assert rejects(source) == [
        (2, "stars: expected a number; does it have a decimal comma?"),
        (3, "stars: expected a number"),
    ]


def test_rows_of_different_widths_have_one_reason(tmp_path: Path) -> None:
    source = read_table(
        tmp_path, *("u" + ";" * width for width in range(5, 300)), f"u;i;4;{SECONDS};x"
    )
    assert source.reasons() == {"expected 5 columns, found another number": 295}


def test_windows_1252_is_decoded(tmp_path: Path) -> None:
    row = f"u;i;4;{SECONDS};“5 €” – ".encode("cp1252") + b"\x81\xe9\n"
    (tmp_path / "t.csv").write_bytes(b"who;what;stars;when;name\n" + row)
    (item,) = open_source(tmp_path / "t.csv", COLUMNS).items
    assert item["title"] == "“5 €” – \x81é"


def tar_of(content: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        entry = tarfile.TarInfo("t.csv")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def file_of(write: Callable[[pa.Table, io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(pa.table({"who": ["u"], "what": ["i"], "when": [SECONDS]}), file)
    return file.getvalue()


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/workbook.xml", "<x/>")
    return file.getvalue()


TEXT = f"who,what,when\nu,i,{SECONDS}\n".encode()


@pytest.mark.parametrize("columns", [Columns(user="who", item="what", at="when"), None])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lzma.compress(TEXT), "a file packed with xz, expected text; unpack it first"),
        (bz2.compress(TEXT), "a file packed with bzip2"),
        (b"\x28\xb5\x2f\xfd" + TEXT, "a file packed with zstd"),
        (b"7z\xbc\xaf\x27\x1c" + TEXT, "a 7z archive"),
        (tar_of(TEXT), "a tar archive, expected text; unpack it first"),
        (file_of(pq.write_table), r"a Parquet file, expected text; name it \.parquet"),
        (gzip.compress(file_of(pq.write_table)), "a Parquet file"),
        (file_of(feather.write_feather), "a Feather file, expected text; write it as CSV"),
        (b"ORC\n\x06\x12", "an ORC file"),
        (workbook(), "perhaps an Excel workbook, expected text; save it as CSV"),
        ("who".encode("utf-16"), "UTF-16, expected UTF-8"),
    ],
)
def test_a_file_that_is_not_text_is_refused_by_its_first_bytes(
    columns: Columns | None, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(SourceError, match=rf"t\.csv: found .*{message}"):
        open_source(tmp_path / "t.csv", columns)


def test_packed_films_are_refused_and_any_header_is_accepted(
    tmp_path: Path,
) -> None:
    (tmp_path / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\n1,1,5,{SECONDS}\n")
    (tmp_path / "movies.csv").write_bytes(lzma.compress(b"movieId,title,genres\n"))
    with pytest.raises(SourceError, match=r"movies\.csv: found a file packed with xz"):
        open_source(tmp_path)
    (tmp_path / "t.csv").write_bytes(TEXT.replace(b"who", b"ORC"))
    assert (
        len(open_source(tmp_path / "t.csv", Columns(user="ORC", item="what", at="when")).events)
        == 1
    )
