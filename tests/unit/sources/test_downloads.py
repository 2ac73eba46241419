"""Downloads as people keep them: half, renamed, unpacked, or in odd zip files."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from sources.formats import open_source
from sources.source import SourceError
from tests.unit.sources.downloads import (
    COLUMNS,
    FILMS,
    HEADER,
    RATINGS,
    REVIEW,
    SECONDS,
    movielens,
    users,
    write,
)


def test_gzip_is_recognised_under_any_name(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "ml",
        ratings_csv_gz=gzip.compress(RATINGS.encode()),
        movies_csv_gz=gzip.compress(FILMS.encode()),
    )
    assert users(open_source(folder)) == users(open_source(folder / "ratings.csv.gz")) == ["7", "9"]
    line = json.dumps(REVIEW).encode() + b"\n"
    assert users(open_source(write(tmp_path / "unpacked", Beauty_json_gz=line))) == ["A1"], (
        "a browser unpacked it and kept the name"
    )
    assert users(open_source(write(tmp_path / "packed", Beauty_json=gzip.compress(line)))) == ["A1"]
    inter = f"user_id:token\titem_id:token\ttimestamp:float\nu\ti\t{SECONDS}\n".encode()
    assert users(open_source(write(tmp_path / "recbole", shop_inter_gz=gzip.compress(inter)))) == [
        "u"
    ]


def test_files_of_macos_are_ignored_and_a_zip_may_have_any_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "shop.whl", "w") as archive:
        archive.writestr("__MACOSX/shop/._t.csv", b"\0\5\x16\7")
        archive.writestr("shop/._t.csv", b"\0\5\x16\7")
        archive.writestr("shop/t.csv", f"{HEADER}u,i,5,{SECONDS},x\n")
    assert users(open_source(tmp_path / "shop.whl", COLUMNS)) == ["u"]


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as archive:
        archive.writestr("ratings.csv", RATINGS)
        archive.writestr("movies.csv", FILMS)
    content = (tmp_path / "locked.zip").read_bytes()
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the bit that means encrypted
        parts = content.split(signature)
        content = signature.join(
            [parts[0], *(part[: flags - 4] + b"\1" + part[flags - 3 :] for part in parts[1:])]
        )
    (tmp_path / "locked.zip").write_bytes(content)
    with pytest.raises(
        SourceError,
        match=(
            r"locked\.zip/.*: found an encrypted file in the zip, expected one without a "
            r"password"
        ),
    ):
        open_source(tmp_path / "locked.zip")


@pytest.mark.parametrize("inside", ["", "a"])
def test_two_data_sets_are_refused_until_one_is_named(inside: str, tmp_path: Path) -> None:
    movielens(tmp_path / inside)
    write(
        tmp_path / inside.replace("a", "b"),
        u_data=f"7\t1\t3\t{SECONDS}\n",
        u_item="1|A (1995)|||" + "|0" * 19 + "\n",
    )
    with pytest.raises(
        SourceError,
        match=r"found (a/)?ratings\.csv, (b/)?u\.data, expected one data set; name the file",
    ):
        open_source(tmp_path)
    assert users(open_source(tmp_path / inside / "ratings.csv")) == ["7", "9"]
    write(tmp_path / "deep" / "er" / "down", broken_json_gz=gzip.compress(b"x" * 999)[:15])
    if not inside:
        assert users(open_source(movielens(tmp_path / "deep"))) == ["7", "9"], (
            "deeper folders are not searched"
        )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x_csv",
            b"%PDF-1.4\n%\xe2\xe3\n",
            r"x\.csv, line 1: found '%PDF-1\.4', expected MovieLens",
        ),
        ("reviews_Beauty_json_gz", b"", r"line 1: found an empty file, expected MovieLens"),
        ("meta_Beauty_json", b"{'asin': 'B000000001'}\n", r"found .*, expected MovieLens"),
        (
            "movies_csv",
            FILMS.encode(),
            r"found movies\.csv without ratings\.csv, expected MovieLens",
        ),
        (
            "B_json",
            b'{"reviewerID": "A1", "unixReviewTime": 1}\n',
            r"B\.json, line 1: found .* expected reviews with .*asin: expected an id",
        ),
        ("B_json", b"[{}, {}]", r"B\.json, line 1: found '\[\{\}, \{\}\]', expected MovieLens"),
    ],
)
def test_an_unknown_file_is_refused_with_its_first_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(write(tmp_path, **{name: content}))


def test_metadata_alone_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"found no file, expected MovieLens"):
        open_source(tmp_path)
    (tmp_path / "meta_Beauty.json").write_bytes(b"{'asin': 'B000000001'}\n")
    with pytest.raises(
        SourceError, match=r"found meta_Beauty\.json, which is metadata, without its reviews"
    ):
        open_source(tmp_path)


def test_a_zip_with_odd_names_is_read(tmp_path: Path) -> None:
    for number, start in enumerate(("./", "./ml/", "ml//")):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr(f"{start}ratings.csv", RATINGS)
            archive.writestr(f"{start}movies.csv", FILMS)
        assert users(open_source(tmp_path / f"{number}.zip")) == ["7", "9"]


def test_one_of_two_data_sets_in_a_zip_may_be_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for name, ratings in (("ml1", RATINGS), ("ml2", RATINGS.replace("\n7,", "\n8,"))):
            archive.writestr(f"{name}/ratings.csv", ratings)
            archive.writestr(f"{name}/movies.csv", FILMS)
    with pytest.raises(
        SourceError, match=r"found ml1/ratings\.csv, ml2/ratings\.csv, expected one data set"
    ):
        open_source(tmp_path / "two.zip")
    assert users(open_source(tmp_path / "two.zip" / "ml1" / "ratings.csv")) == ["7", "9"]
    assert users(open_source(tmp_path / "two.zip" / "ml2")) == ["8", "9"]
    with pytest.raises(SourceError, match="found no file"):
        open_source(tmp_path / "two.zip" / "ml3")


def test_all_data_sets_are_listed_without_half_ones(tmp_path: Path) -> None:
    names = [f"a-folder-with-a-long-name-{number}/ratings.csv" for number in range(4)]
    for name in names:
        movielens((tmp_path / name).parent)
    with pytest.raises(SourceError, match=f"found {', '.join(names)}, expected one data set"):
        open_source(tmp_path)
    with pytest.raises(
        SourceError,
        match=r"found movies\.csv, half of a data set; name its other half, ratings\.csv, expected",
    ):
        open_source((tmp_path / names[0]).parent / "movies.csv")


def test_names_may_be_in_capitals_and_the_chosen_file_is_read(tmp_path: Path) -> None:
    folder = movielens(tmp_path / "both")
    write(folder, ratings_csv_gz=gzip.compress(RATINGS.replace("\n7,", "\n8,").encode()))
    with pytest.raises(SourceError, match=r"found ratings\.csv and ratings\.csv\.gz, which differ"):
        open_source(folder)
    assert users(open_source(folder / "ratings.csv")) == ["7", "9"]
    assert users(open_source(folder / "ratings.csv.gz")) == ["8", "9"]
    assert users(open_source(write(tmp_path / "ml", Ratings_CSV=RATINGS, MOVIES_csv=FILMS))) == [
        "7",
        "9",
    ]
    source = open_source(write(tmp_path / "amazon", Beauty_JSON=json.dumps(REVIEW)))
    assert users(source) == ["A1"]
    shop = write(
        tmp_path / "shop",
        Shop_INTER=f"user_id\titem_id\ttimestamp\nu\ti\t{SECONDS}\n",
        Shop_Item="item_id\ni\n",
    )
    assert open_source(shop).num_items == 1


def test_unreadable_files_are_refused_and_such_folders_skipped(tmp_path: Path) -> None:
    movielens(tmp_path / "mount" / "ml")
    (tmp_path / "mount" / "lost+found").mkdir()
    (tmp_path / "mount" / "lost+found").chmod(0)
    write(tmp_path / "shut", t_csv=HEADER)
    with zipfile.ZipFile(tmp_path / "shut.zip", "w") as archive:
        archive.writestr("x", "x")
    write(tmp_path / "file", t_csv=HEADER)
    for path in ("shut", "shut.zip", "file/t.csv"):
        (tmp_path / path).chmod(0)
    paths = (
        "mount",
        "mount/ml",
        "mount/lost+found",
        "shut",
        "shut/t.csv",
        "shut.zip",
        "file/t.csv",
    )
    read, inside, *refused = without_privileges([tmp_path / path for path in paths])
    assert (read, inside) == ("2 events", "2 events")
    for path, message in zip(paths[2:], refused, strict=True):
        assert message.endswith("expected a file that this user may read"), path


def without_privileges(paths: Sequence[Path]) -> list[str]:
    """Open sources in a process without root's privileges; return the message for each."""
    code = """
import sys
from pathlib import Path
from sources.formats import open_source
from sources.source import SourceError
for path in sys.argv[1:]:
    try:
        print(len(open_source(Path(path)).events), "events")
    except SourceError as error:
        print(error)
"""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*drop, sys.executable, "-c", code, *map(str, paths)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True
    ).stdout.splitlines()


def test_an_impossible_file_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="File name too long"):
        open_source(tmp_path / ("x" * 300))
