"""Rows of downloads: encodings, quotes, faults, and columns in odd forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sources.cells.times import EXPECTED_TIME
from sources.files.limits import ReadLimits
from sources.formats import open_source
from sources.source import Source, SourceError
from sources.tables.columns import Columns
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


def rejects(source: Source) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in source.rejects]


def test_a_byte_order_mark_is_not_part_of_the_first_id(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        u_data=f"\ufeff7\t1\t3\t{SECONDS}\n9\t1\t3\t{SECONDS}\n",
        u_item="\ufeff1|A (1995)|||" + "|0" * 19 + "\n",
    )
    source = open_source(folder)
    assert users(source) == ["7", "9"]
    assert [raw["item_id"] for raw in source.items] == ["1"]


def test_latin_1_in_ids_and_reviews_is_decoded(tmp_path: Path) -> None:
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
    ) == ["A1"], "the first line alone does not decide"


def test_ratings_off_the_scale_and_repeated_rows_are_rejected(tmp_path: Path) -> None:
    more = (
        f"7,1,99,{SECONDS}\n7,1,0,{SECONDS}\n7,1,-3,{SECONDS}\n7,1,five,{SECONDS}\n"
        f"7,1,4.5,{SECONDS}\n"
    )
    source = open_source(movielens(tmp_path / "ml", ratings=RATINGS + more))
    scale = "rating: expected 0.5 to 5"
    assert rejects(source) == [
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
    assert rejects(source) == [(2, "overall: expected 1 to 5"), (3, "overall: expected 1 to 5")]


def test_a_carriage_return_inside_a_row_rejects_only_that_row(tmp_path: Path) -> None:
    source = open_source(
        movielens(
            tmp_path,
            ratings=(RATINGS + f"8\r,1,3,{SECONDS}\n5,1,3,{SECONDS + 2}").replace("\n", "\r\n"),
        )
    )
    assert users(source) == ["7", "9", "5"]
    assert rejects(source) == [(4, "a carriage return inside the row")]


def test_a_quote_rejects_its_line_wherever_it_ends(tmp_path: Path) -> None:
    fault = "a quote that does not end its column"
    rows = f'u1,i,5,{SECONDS},"a" b\nu2,i,5,{SECONDS},"two\nlines"\nu3,i,5\n'
    source = open_source(write(tmp_path / "bad", t_csv=HEADER + rows), COLUMNS)
    assert users(source) == ["u2"]
    assert rejects(source) == [(2, fault), (5, "expected 5 columns, found another number")]
    for num_rows in (3, 70_000):
        good = "".join(f"u,i{number},5,{SECONDS},x\n" for number in range(num_rows))
        folder = write(tmp_path / "open", t_csv=f'{HEADER}u,i,5,{SECONDS},"never\n' + good)
        source = open_source(folder, COLUMNS)
        assert (len(source.events), rejects(source)) == (num_rows, [(2, fault)])
    films = 'movieId,title,genres\n1,"Half (1995),Drama\n2,B,C\n3,D,E\n4,"F, G",H\n5,I,J\n'
    source = open_source(movielens(tmp_path / "ml", films=films))
    assert ([raw["item_id"] for raw in source.items], rejects(source)) == (
        ["2", "3", "4", "5"],
        [(2, fault)],
    )
    long = open_source(
        write(tmp_path / "long", t_csv=f'{HEADER}u,i,5,{SECONDS},"{"x" * 200_000}"\n'), COLUMNS
    )
    assert [len(str(raw["text"])) for raw in long.items] == [200_000]


def test_ids_may_be_in_quotes(tmp_path: Path) -> None:
    ratings = (
        f'"userId","movieId","rating","timestamp"\n"7","1",4.5,{SECONDS}\n'
        f'"9",2,"0.5","{SECONDS + 1}"\n8"8,1,4,{SECONDS}\n'
    )
    source = open_source(movielens(tmp_path / "ml", ratings=ratings.replace("\n", "\r\n")))
    assert [(raw["user_id"], raw["item_id"], raw["rating"]) for raw in source.events] == [
        ("7", "1", 4.5),
        ("9", "2", 0.5),
    ]
    assert rejects(source) == [(4, "a quote that does not end its column")]
    source = open_source(
        write(tmp_path / "amazon", ratings_csv=f'"A3CIUOJXQ5VDQ2","B0000530HU",5.0,{SECONDS}')
    )
    assert [(raw["user_id"], raw["item_id"]) for raw in source.events] == [
        ("A3CIUOJXQ5VDQ2", "B0000530HU")
    ]
    inter = f'user_id:token\titem_id:token\ttimestamp:float\n"u"\ti\t{SECONDS}\n'
    assert users(open_source(write(tmp_path / "recbole", shop_inter=inter))) == ['"u"'], (
        "these have no quotes"
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
def test_unused_columns_may_have_any_name(name: str, header: str, row: str, tmp_path: Path) -> None:
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
def test_a_repeated_column_is_refused(name: str, header: str, column: str, tmp_path: Path) -> None:
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
        match=(
            rf"{name.replace('_', '.')}, line 1, column {column}: .*expected a header with "
            rf"this column once"
        ),
    ):
        open_source(folder, COLUMNS if name == "t_csv" else None)


def test_a_line_of_separators_alone_is_rejected(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        ratings_dat=f"7::1::4.5::{SECONDS}\n::\n \r\n\n",
        movies_dat="1::Heat (1995)::Crime\n",
    )
    assert rejects(open_source(folder)) == [(2, "expected 4 columns, found another number")]


def test_parquet_with_nanoseconds_float_ids_and_bytes_is_read(tmp_path: Path) -> None:
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
    assert rejects(source) == [(4, f"when: expected {EXPECTED_TIME}")]


def test_a_nan_removes_only_one_attribute_of_an_item(tmp_path: Path) -> None:
    items = (
        "item_id:token\ttitle:token_seq\tprice:float\ni\tRed shoe\tnan\nj\tHat\tinf\nk\tBag\t9.5\n"
    )
    inter = f"user_id:token\titem_id:token\ttimestamp:float\nu\ti\t{SECONDS}\n"
    prices = [
        raw["attributes"]
        for raw in open_source(write(tmp_path, shop_inter=inter, shop_item=items)).items
    ]
    assert [isinstance(one, dict) and one.get("price") for one in prices] == [None, None, 9.5]


def test_tags_of_movielens_10m_are_in_the_text(tmp_path: Path) -> None:
    films, tags = "1::Heat (1995)::Crime\n", "7::1::L.A.::1\n9::1::l.a.::2\nbroken\n"
    source = open_source(
        write(tmp_path, ratings_dat=f"7::1::4.5::{SECONDS}\n", movies_dat=films, tags_dat=tags)
    )
    assert [raw["text"] for raw in source.items] == ["Heat (1995). Crime. l.a."]
    assert [(reject.file, reject.line) for reject in source.rejects] == [("tags.dat", 3)]


def test_reading_stops_after_many_bad_rows_and_no_good_one(tmp_path: Path) -> None:
    limits = ReadLimits(hopeless_rows=10, chunk_rows=10, block_bytes=100)
    folder = movielens(
        tmp_path / "ml",
        ratings=RATINGS.splitlines()[0] + "\n" + "1;2;3;4\n" * 50 + f"7,1,4.5,{SECONDS}\n",
    )
    with pytest.raises(SourceError, match=r"ratings\.csv, line 2: found '1;2;3;4'"):
        open_source(folder, limits=limits)
    with pytest.raises(
        SourceError,
        match=r"t\.csv, line 2: found 'u,i,5,never,x', expected rows with .*when: expected a time",
    ):
        open_source(
            write(tmp_path / "t", t_csv=HEADER + "u,i,5,never,x\n" * 50 + f"u,i,5,{SECONDS},x\n"),
            COLUMNS,
            limits=limits,
        )
