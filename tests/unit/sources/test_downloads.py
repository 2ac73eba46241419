"""Downloads as they lie on people's disks: half, renamed, unpacked, of two sets, in another encoding, with faults in their rows."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sources.cells.times import EXPECTED_TIME
from sources.formats import open_source
from sources.source import Source, SourceError
from sources.tables import delimited, ratings
from sources.tables.columns import Columns

SECONDS = 1472688000
RATINGS = f"userId,movieId,rating,timestamp\n7,1,4.5,{SECONDS}\n9,2,0.5,{SECONDS + 1}\n"
FILMS = 'movieId,title,genres\n1,"Café, Le (1995)",Comedy\n2,Heat (1995),Crime\n'
REVIEW = {"reviewerID": "A1", "asin": "B000000001", "overall": 5.0, "unixReviewTime": SECONDS}
HEADER = "who,what,stars,when,words\n"
COLUMNS = Columns(user="who", item="what", at="when", rating="stars", text="words")


def write(folder: Path, **files: str | bytes) -> Path:
    """Write files; `ratings_csv` is called ratings.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        stem, _, ending = name.partition("_")
        (folder / f"{stem}.{ending.replace('_', '.')}").write_bytes(
            content.encode() if isinstance(content, str) else content
        )
    return folder


def movielens(folder: Path, ratings: str | bytes = RATINGS, films: str | bytes = FILMS) -> Path:
    return write(folder, ratings_csv=ratings, movies_csv=films)


def users(source: Source) -> list[object]:
    return [raw["user_id"] for raw in source.events]


def told(source: Source) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in source.rejects]


def test_gzipped_files_and_gzip_under_another_name_are_read(tmp_path: Path) -> None:
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


def test_what_a_mac_adds_is_no_data_and_a_zip_is_one_whatever_it_is_called(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "shop.whl", "w") as archive:
        archive.writestr("__MACOSX/shop/._t.csv", b"\0\5\x16\7")
        archive.writestr("shop/._t.csv", b"\0\5\x16\7")
        archive.writestr("shop/t.csv", f"{HEADER}u,i,5,{SECONDS},x\n")
    assert users(open_source(tmp_path / "shop.whl", COLUMNS)) == ["u"]


def test_a_zip_with_a_password_is_refused_in_words(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as archive:
        archive.writestr("ratings.csv", RATINGS)
        archive.writestr("movies.csv", FILMS)
    content = (tmp_path / "locked.zip").read_bytes()
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the bit that says: encrypted
        parts = content.split(signature)
        content = signature.join(
            [parts[0], *(part[: flags - 4] + b"\1" + part[flags - 3 :] for part in parts[1:])]
        )
    (tmp_path / "locked.zip").write_bytes(content)
    with pytest.raises(
        SourceError,
        match=r"locked\.zip/.*: found an encrypted file in the zip, expected one without a password",
    ):
        open_source(tmp_path / "locked.zip")


@pytest.mark.parametrize("inside", ["", "a"])
def test_two_data_sets_are_never_chosen_between_in_silence(inside: str, tmp_path: Path) -> None:
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
            "what lies deeper is not asked for"
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
def test_a_file_that_is_none_is_named_with_what_was_found(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(write(tmp_path, **{name: content}))


def test_metadata_alone_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"found no file, expected MovieLens"):
        open_source(tmp_path)
    (tmp_path / "meta_Beauty.json").write_bytes(b"{'asin': 'B000000001'}\n")
    with pytest.raises(
        SourceError, match=r"found meta_Beauty\.json, which is metadata, without its reviews"
    ):
        open_source(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        u_data=f"\ufeff7\t1\t3\t{SECONDS}\n9\t1\t3\t{SECONDS}\n",
        u_item="\ufeff1|A (1995)|||" + "|0" * 19 + "\n",
    )
    source = open_source(folder)
    assert users(source) == ["7", "9"]
    assert [raw["item_id"] for raw in source.items] == ["1"]


def test_latin_1_in_ids_and_reviews_is_read_as_such(tmp_path: Path) -> None:
    row = f"é\ti\t{SECONDS}\nè\ti\t{SECONDS}\nüber\ti\t{SECONDS}\n"
    inter = (
        b"user_id:token\titem_id:token\ttimestamp:float\n"
        + row[: row.index("über")].encode("latin-1")
        + row[row.index("über") :].encode()
    )
    assert users(open_source(write(tmp_path / "recbole", shop_inter=inter))) == ["é", "è", "über"]
    review = json.dumps(REVIEW | {"reviewText": "café"}, ensure_ascii=False).encode("latin-1")
    assert users(
        open_source(write(tmp_path / "amazon", B_json=b"{broken\n\n" + review + b"\n"))
    ) == ["A1"], "nor is the first line asked alone"


def test_ratings_outside_the_publishers_scale_and_equal_rows_are_told(tmp_path: Path) -> None:
    more = f"7,1,99,{SECONDS}\n7,1,0,{SECONDS}\n7,1,-3,{SECONDS}\n7,1,five,{SECONDS}\n7,1,4.5,{SECONDS}\n"
    source = open_source(movielens(tmp_path / "ml", ratings=RATINGS + more))
    scale = "rating: expected 0.5 to 5"
    assert told(source) == [
        (4, scale),
        (5, scale),
        (6, scale),
        (7, "rating: expected a number"),
        (8, "an earlier row is equal"),
    ]
    rows = [REVIEW, REVIEW | {"overall": 0}, REVIEW | {"overall": 17.0}]
    source = open_source(
        write(tmp_path / "amazon", B_json="".join(json.dumps(row) + "\n" for row in rows))
    )
    assert told(source) == [(2, "overall: expected 1 to 5"), (3, "overall: expected 1 to 5")]


def test_a_carriage_return_inside_a_row_costs_that_row_only(tmp_path: Path) -> None:
    source = open_source(
        movielens(
            tmp_path,
            ratings=(RATINGS + f"8\r,1,3,{SECONDS}\n5,1,3,{SECONDS + 2}").replace("\n", "\r\n"),
        )
    )
    assert users(source) == ["7", "9", "5"]
    assert told(source) == [(4, "a carriage return inside the row")]


def test_a_quote_costs_its_line_wherever_it_ends(tmp_path: Path) -> None:
    fault = "a quote that does not end its column"
    rows = f'u1,i,5,{SECONDS},"a" b\nu2,i,5,{SECONDS},"two\nlines"\nu3,i,5\n'
    source = open_source(write(tmp_path / "bad", t_csv=HEADER + rows), COLUMNS)
    assert users(source) == ["u2"]
    assert told(source) == [(2, fault), (5, "expected 5 columns, found another number")]
    for num_rows in (3, 70_000):
        good = "".join(f"u,i{number},5,{SECONDS},x\n" for number in range(num_rows))
        folder = write(tmp_path / "open", t_csv=f'{HEADER}u,i,5,{SECONDS},"never\n' + good)
        source = open_source(folder, COLUMNS)
        assert (len(source.events), told(source)) == (num_rows, [(2, fault)])
    films = 'movieId,title,genres\n1,"Half (1995),Drama\n2,B,C\n3,D,E\n4,"F, G",H\n5,I,J\n'
    source = open_source(movielens(tmp_path / "ml", films=films))
    assert ([raw["item_id"] for raw in source.items], told(source)) == (
        ["2", "3", "4", "5"],
        [(2, fault)],
    )
    long = open_source(
        write(tmp_path / "long", t_csv=f'{HEADER}u,i,5,{SECONDS},"{"x" * 200_000}"\n'), COLUMNS
    )
    assert [len(str(raw["text"])) for raw in long.items] == [200_000]


def test_ids_in_quotes_are_ids(tmp_path: Path) -> None:
    ratings = f'"userId","movieId","rating","timestamp"\n"7","1",4.5,{SECONDS}\n"9",2,"0.5","{SECONDS + 1}"\n8"8,1,4,{SECONDS}\n'
    source = open_source(movielens(tmp_path / "ml", ratings=ratings.replace("\n", "\r\n")))
    assert [(raw["user_id"], raw["item_id"], raw["rating"]) for raw in source.events] == [
        ("7", "1", 4.5),
        ("9", "2", 0.5),
    ]
    assert told(source) == [(4, "a quote that does not end its column")]
    source = open_source(
        write(tmp_path / "amazon", ratings_csv=f'"A3CIUOJXQ5VDQ2","B0000530HU",5.0,{SECONDS}')
    )
    assert [(raw["user_id"], raw["item_id"]) for raw in source.events] == [
        ("A3CIUOJXQ5VDQ2", "B0000530HU")
    ]
    inter = f'user_id:token\titem_id:token\ttimestamp:float\n"u"\ti\t{SECONDS}\n'
    assert users(open_source(write(tmp_path / "recbole", shop_inter=inter))) == ['"u"'], (
        "no quotes in these"
    )


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("ratings_csv", "userId,movieId,rating,timestamp,,", f"7,1,4.5,{SECONDS},,"),
        (
            "ratings_csv",
            "at,userId,movieId,rating,timestamp,at,item_id",
            f"x,7,1,4.5,{SECONDS},x,x",
        ),
        ("Beauty_csv", "user_id,parent_asin,rating,timestamp,,", f"7,1,4.5,{SECONDS}000,,"),
        (
            "Beauty_csv",
            "at,user_id,item_id,parent_asin,rating,timestamp",
            f"x,7,x,1,4.5,{SECONDS}000",
        ),
        (
            "shop_inter",
            "at\tuser_id:token\titem_id:token\trating:float\ttimestamp:float\t\t",
            f"x\t7\t1\t4.5\t{SECONDS}\t\t",
        ),
    ],
)
def test_columns_that_nobody_reads_may_have_any_name(
    name: str, header: str, row: str, tmp_path: Path
) -> None:
    (event,) = open_source(
        write(tmp_path, movies_csv=FILMS, **{name: f"{header}\n{row}\n"}) / name.replace("_", ".")
    ).events
    del event["event_id"]
    assert event == {"user_id": "7", "item_id": "1", "rating": 4.5, "type": "rating", "at": SECONDS}


@pytest.mark.parametrize(
    ("name", "header", "column"),
    [
        ("ratings_csv", "userId,movieId,rating,timestamp,timestamp", "timestamp"),
        ("Beauty_csv", "user_id,parent_asin,rating,timestamp,rating", "rating"),
        ("shop_inter", "user_id\titem_id\trating\ttimestamp\trating", "rating"),
        ("movies_csv", "movieId,title,title,genres", "title"),
        ("shop_item", "item_id\ttitle\tprice\tprice", "price"),
        ("t_csv", "who,what,stars,when,words,when", "when"),
    ],
)
def test_a_column_that_is_there_twice_is_refused(
    name: str, header: str, column: str, tmp_path: Path
) -> None:
    shop = (
        {"shop_inter": f"user_id\titem_id\ttimestamp\n7\t1\t{SECONDS}\n"} if "shop" in name else {}
    )
    ml = (
        {"ratings_csv": RATINGS, "movies_csv": FILMS}
        if name in ("ratings_csv", "movies_csv")
        else {}
    )
    folder = write(tmp_path, **shop | ml | {name: f"{header}\n"})
    with pytest.raises(
        SourceError,
        match=rf"{name.replace('_', '.')}, line 1, column {column}: .*expected a header with this column once",
    ):
        open_source(folder, COLUMNS if name == "t_csv" else None)


def test_a_zip_whose_names_are_written_oddly_is_read(tmp_path: Path) -> None:
    for number, start in enumerate(("./", "./ml/", "ml//")):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr(f"{start}ratings.csv", RATINGS)
            archive.writestr(f"{start}movies.csv", FILMS)
        assert users(open_source(tmp_path / f"{number}.zip")) == ["7", "9"]


def test_of_a_zip_with_two_data_sets_one_may_be_named(tmp_path: Path) -> None:
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


def test_all_data_sets_are_listed_and_no_half_is_called_missing(tmp_path: Path) -> None:
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


def test_names_may_be_in_capitals_and_the_chosen_of_two_is_read(tmp_path: Path) -> None:
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


def test_a_line_of_separators_alone_is_told(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        ratings_dat=f"7::1::4.5::{SECONDS}\n::\n \r\n\n",
        movies_dat="1::Heat (1995)::Crime\n",
    )
    assert told(open_source(folder)) == [(2, "expected 4 columns, found another number")]


def test_what_may_not_be_read_is_told_or_passed_over(tmp_path: Path) -> None:
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
    for path, said in zip(paths[2:], refused, strict=True):
        assert said.endswith("expected a file that this user may read"), path


def without_privileges(paths: Sequence[Path]) -> list[str]:
    """Open sources in a process that, if root runs the tests, may not read everything; return what is said of each."""
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


def test_a_name_that_no_file_can_have_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="File name too long"):
        open_source(tmp_path / ("x" * 300))


def test_a_parquet_of_nanoseconds_float_ids_and_bytes(tmp_path: Path) -> None:
    at = pd.to_datetime([SECONDS * 10**9 + 1, SECONDS * 10**9 + 500_000_000, 0])
    frame = pd.DataFrame(
        {"who": [17.0, 18.5, None], "what": [b"a", "\xe9".encode(), b"c"], "when": at}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    columns = Columns(user="who", item="what", at="when")
    events = [
        (raw["user_id"], raw["item_id"], raw["at"]) for raw in open_source(tmp_path, columns).events
    ]
    assert events == [("17", "a", SECONDS), ("18.5", "é", SECONDS + 0.5)]
    frame = pd.DataFrame({"who": np.arange(9000).astype(str), "what": "i", "when": SECONDS})
    frame.to_parquet(tmp_path / "t.parquet", compression=None)
    content = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(content[:4] + b"\xff" * 400 + content[404:])
    with pytest.raises(SourceError, match=r"t\.parquet: found .*, expected a Parquet file"):
        open_source(tmp_path, columns)


def test_eight_digits_are_a_date_in_a_table_as_in_a_record(tmp_path: Path) -> None:
    rows = "".join(
        f"u,{at},5,{at},x\n" for at in ("20160901", "2016-09-01", "99999999", f"{SECONDS}000000")
    )
    source = open_source(write(tmp_path, t_csv=HEADER + rows), COLUMNS)
    assert [raw["at"] for raw in source.events] == [SECONDS] * 3
    assert told(source) == [(4, f"when: expected {EXPECTED_TIME}")]


def test_a_number_that_is_none_costs_an_item_of_recbole_one_attribute(tmp_path: Path) -> None:
    items = (
        "item_id:token\ttitle:token_seq\tprice:float\ni\tRed shoe\tnan\nj\tHat\tinf\nk\tBag\t9.5\n"
    )
    inter = f"user_id:token\titem_id:token\ttimestamp:float\nu\ti\t{SECONDS}\n"
    prices = [
        raw["attributes"]
        for raw in open_source(write(tmp_path, shop_inter=inter, shop_item=items)).items
    ]
    assert [isinstance(one, dict) and one.get("price") for one in prices] == [None, None, 9.5]


def test_tags_of_10m_are_in_the_text(tmp_path: Path) -> None:
    films, tags = "1::Heat (1995)::Crime\n", "7::1::L.A.::1\n9::1::l.a.::2\nbroken\n"
    source = open_source(
        write(tmp_path, ratings_dat=f"7::1::4.5::{SECONDS}\n", movies_dat=films, tags_dat=tags)
    )
    assert [raw["text"] for raw in source.items] == ["Heat (1995). Crime. l.a."]
    assert [(reject.file, reject.line) for reject in source.rejects] == [("tags.dat", 3)]


def test_a_file_of_faults_is_given_up_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratings, "HOPELESS", 10)
    monkeypatch.setattr(delimited, "CHUNK_ROWS", 10)
    monkeypatch.setattr("sources.files.folders._BLOCK_BYTES", 100)
    folder = movielens(
        tmp_path / "ml",
        ratings=RATINGS.splitlines()[0] + "\n" + "1;2;3;4\n" * 50 + f"7,1,4.5,{SECONDS}\n",
    )
    with pytest.raises(SourceError, match=r"ratings\.csv, line 2: found '1;2;3;4'"):
        open_source(folder)
    with pytest.raises(
        SourceError,
        match=r"t\.csv, line 2: found 'u,i,5,never,x', expected rows with .*when: expected a time",
    ):
        open_source(
            write(tmp_path / "t", t_csv=HEADER + "u,i,5,never,x\n" * 50 + f"u,i,5,{SECONDS},x\n"),
            COLUMNS,
        )
