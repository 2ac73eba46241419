"""Files made to fill a disk or the memory, and archives written on other systems."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from sources.files.blocks import MAX_LINE_BYTES
from sources.files.limits import ReadLimits
from sources.formats import open_source
from sources.source import SourceError
from sources.tables.columns import Columns

COLUMNS = Columns(user="user", item="item", at="ts")
HEADER = b"user,item,ts\n"
ROW = b"u,i,1600000000\n"


def zip_of(path: Path, *, line_bytes: int) -> Path:
    """Write a zip whose table has a good row followed by one endless line."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("f.csv", "w") as stream,
    ):
        stream.write(HEADER + ROW)
        for _ in range(line_bytes >> 20):
            stream.write(b"x" * (1 << 20))
    return path


def test_an_endless_line_in_a_small_zip_is_refused_early(tmp_path: Path) -> None:
    """No more than two blocks are unpacked.

    So the wrong checksum at the file's end goes unnoticed.
    """
    limits = ReadLimits(block_bytes=MAX_LINE_BYTES // 2)
    path = zip_of(tmp_path / "bomb.zip", line_bytes=3 * MAX_LINE_BYTES)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        checksum = archive.getinfo("f.csv").CRC.to_bytes(4, "little")
    path.write_bytes(content.replace(checksum, b"\0\0\0\0"))
    assert len(content) < 1 << 20
    with pytest.raises(
        SourceError,
        match=r"bomb\.zip/f\.csv, line 3: found a line of over 16 MiB, expected a row a line",
    ):
        open_source(path, COLUMNS, limits=limits)


@pytest.mark.parametrize("name", ["f.csv.gz", "f.zip"])
def test_a_file_that_unpacks_to_far_too_much_is_refused(name: str, tmp_path: Path) -> None:
    limits = ReadLimits(unpacked_anyway_bytes=1 << 17, block_bytes=1 << 16)
    content = HEADER + ROW * 30_000
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(content))
    else:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("f.csv", content)
    with pytest.raises(
        SourceError,
        match=r"f\.csv.*: found over 0 MiB packed in .* bytes, expected at most 200 times",
    ):
        open_source(tmp_path / name, COLUMNS, limits=limits)


def test_a_log_that_compresses_well_is_read(tmp_path: Path) -> None:
    limits = ReadLimits(unpacked_anyway_bytes=1 << 10)
    rows = "".join(
        f"user-{number % 97},item-{number % 31},{1600000000 + number}\n" for number in range(5_000)
    )
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(HEADER + rows.encode()))
    assert len(open_source(tmp_path, COLUMNS, limits=limits).events) == 5_000


def test_a_zip_with_backslashes_in_its_names_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as archive:
        archive.writestr("ml\\ratings.csv", "userId,movieId,rating,timestamp\n7,1,4.5,1600000000\n")
        archive.writestr("ml\\movies.csv", "movieId,title,genres\n1,Heat (1995),Crime\n")
    source = open_source(tmp_path / "windows.zip")
    assert (len(source.events), source.num_items) == (1, 1)
