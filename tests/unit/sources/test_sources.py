"""Amazon Reviews of each release, RecBole's files and any table, written by the test in small."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recommender.events import parse_event, parse_item
from sources.cells.times import EXPECTED_TIME
from sources.files import folders
from sources.formats import open_source
from sources.interactions import Gathering
from sources.source import Source, SourceError
from sources.tables.columns import Columns

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SECONDS = 1472688000
NO_TIME = f"when: expected {EXPECTED_TIME}"
LIPSTICK = {
    "title": "Lipstick &amp; Co <b>red</b>",
    "brand": "Maybe",
    "description": "Long lasting.",
    "asin": "B0000530HU",
}
META_2014 = [
    str({**LIPSTICK, "categories": [["Beauty", "Make-up"]], "salesRank": {"Beauty": 17}}),
    str({"asin": "7806397051", "description": "It's a brush"}),  # no title
    str({"asin": "B000000000", "title": "never reviewed"}),
    "{'asin': 'B0000530HU', 'title': ",  # cut off
]
META_2018 = [
    json.dumps({**LIPSTICK, "category": ["Beauty", "Make-up"], "description": ["Long lasting."]}),
    json.dumps(
        {
            "asin": "7806397051",
            "title": "var aPageStart = (new Date()).getTime();",
            "description": ["It's a brush"],
        }
    ),
    json.dumps({**LIPSTICK, "title": "again"}),
]
META_2023 = [
    json.dumps(
        {
            "parent_asin": "B0000530HU",
            "title": LIPSTICK["title"],
            "store": "Maybe",
            "categories": ["Beauty", "Make-up"],
            "features": [],
            "description": ["Long lasting."],
        }
    ),
    json.dumps({"parent_asin": "7806397051", "title": None, "description": ["It's a brush"]}),
]


def review(user: str, item: str, rating: object, at: object) -> dict[str, object]:
    return {
        "reviewerID": user,
        "asin": item,
        "overall": rating,
        "unixReviewTime": at,
        "reviewText": "Äh, 'gut'",
        "helpful": [0, 0],
    }


def review_2023(user: str, item: str, rating: float, at: int) -> dict[str, object]:
    return {
        "user_id": user,
        "asin": "B0VARIANT0",
        "parent_asin": item,
        "rating": rating,
        "timestamp": at * 1000,
        "text": "x",
    }


HEADER_2023 = ("user_id", "parent_asin", "rating", "timestamp")
ROWS = (
    ("A3CIUOJXQ5VDQ2", "B0000530HU", 5.0, SECONDS + 1),
    ("A2UEO5XR3598GI", "7806397051", 1.0, SECONDS),
)


def csv_lines(rows: Sequence[Sequence[object]]) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def json_lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def packed(lines: Sequence[str]) -> bytes:
    return gzip.compress("\n".join(lines).encode())


FORMS: dict[str, dict[str, bytes]] = {
    "2014 reviews": {
        "reviews_Beauty_5.json.gz": gzip.compress(json_lines([review(*row) for row in ROWS])),
        "meta_Beauty.json.gz": packed(META_2014),
    },
    "2014 ratings": {
        "ratings_Beauty.csv": csv_lines(ROWS),
        "meta_Beauty.json.gz": packed(META_2014),
    },
    "2018 reviews": {
        "Beauty_5.json.gz": gzip.compress(json_lines([review(*row) for row in ROWS])),
        "meta_Beauty.json.gz": packed(META_2018),
    },
    "2018 ratings": {
        "Beauty.csv": csv_lines([(item, user, rating, at) for user, item, rating, at in ROWS]),
        "meta_Beauty.json.gz": packed(META_2018),
    },
    "2023 reviews": {
        "Beauty.jsonl.gz": gzip.compress(json_lines([review_2023(*row) for row in ROWS])),
        "meta_Beauty.jsonl.gz": packed(META_2023),
    },
    "2023 ratings": {
        "Beauty.csv.gz": gzip.compress(
            csv_lines([HEADER_2023, *((*row[:3], row[3] * 1000) for row in ROWS)])
        ),
        "meta_Beauty.jsonl": "\n".join(META_2023).encode(),
    },
}


def write(folder: Path, content: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, one in content.items():
        (folder / name).write_bytes(one)
    return folder


def events_of(source: Source) -> list[tuple[object, ...]]:
    return [
        (raw["user_id"], raw["item_id"], raw["type"], raw.get("rating"), raw["at"])
        for raw in source.events
    ]


@pytest.mark.parametrize("form", FORMS)
def test_every_amazon_release_gives_the_same_records(form: str, tmp_path: Path) -> None:
    folder = write(tmp_path, FORMS[form])
    source = open_source(folder)
    assert events_of(source) == [
        ("A2UEO5XR3598GI", "7806397051", "rating", 1.0, SECONDS),
        ("A3CIUOJXQ5VDQ2", "B0000530HU", "rating", 5.0, SECONDS + 1),
    ]
    items = {raw["item_id"]: raw for raw in source.items}
    assert items.keys() == {"B0000530HU", "7806397051"}, "and no item that nobody reviewed"
    assert items["B0000530HU"]["title"] == "Lipstick & Co red"
    assert items["B0000530HU"]["text"] == "Lipstick & Co red. Maybe. Beauty, Make-up. Long lasting."
    assert items["B0000530HU"]["attributes"] == {
        "brand": "Maybe",
        "category": ["Beauty", "Make-up"],
    }
    assert items["7806397051"]["title"] == "It's a brush"
    for raw in source.items:
        parse_item(raw, now=NOW, new_id=str)
    for raw in source.events:
        parse_event(raw, now=NOW, new_id=str)
    reviews = next(name for name in FORMS[form] if not name.startswith("meta_"))
    assert events_of(open_source(folder / reviews)) == events_of(source), (
        "a file alone is as good as its folder"
    )


def test_reviews_that_are_none_are_told_and_an_equal_one_counts_once(tmp_path: Path) -> None:
    good = review(*ROWS[0])
    bad = [
        review("", "B0000530HU", 5, SECONDS),
        {**good, "asin": None},
        review("A1", "B1", "five", SECONDS),
        review("A1", "B1", 5, None),
        {**good, "reviewText": "the same again in another size"},
        {**good, "unixReviewTime": SECONDS + 9},  # a second review of the item is another event
    ]
    source = open_source(
        write(tmp_path, {"Beauty.json": json_lines([good, *bad]) + b"{broken\n[1]\n"})
    )
    assert len(source.events) == 2
    assert [(reject.line, reject.reason) for reject in source.rejects] == [
        (2, "reviewerID: expected an id"),
        (3, "asin: expected an id"),
        (4, "overall: expected a number"),
        (5, "unixReviewTime: expected a number"),
        (6, "an earlier row is equal"),
        (8, "expected a JSON object"),
        (9, "expected a JSON object"),
    ]
    assert source.reasons()["expected a JSON object"] == 2
    assert (source.num_items, "no metadata" in source.name) == (0, True)


def test_half_a_download_is_refused_by_name(tmp_path: Path) -> None:
    whole = gzip.compress(
        np.random.default_rng(0).bytes(10_000) + json_lines([review(*ROWS[0])] * 1000)
    )
    reviews = gzip.compress(
        json_lines([review(f"A{number}", "B0000530HU", 5, SECONDS) for number in range(5000)])
    )
    write(tmp_path, {"Beauty.json.gz": reviews[: len(reviews) // 2]})
    with pytest.raises(SourceError, match=r"Beauty\.json\.gz: found EOFError.*fetch it again"):
        open_source(tmp_path)
    write(
        tmp_path / "meta",
        {"B.json": json_lines([review(*ROWS[0])]), "meta_B.json.gz": whole[:5000]},
    )
    with pytest.raises(SourceError, match=r"meta_B\.json\.gz: found EOFError"):
        open_source(tmp_path / "meta")


def test_two_categories_ask_which_one(tmp_path: Path) -> None:
    one = json_lines([review(*ROWS[0])])
    with pytest.raises(
        SourceError, match=r"found Beauty\.json, Books\.json, expected one data set; name the file"
    ):
        open_source(write(tmp_path, {"Beauty.json": one, "Books.json": one}))
    assert len(open_source(tmp_path / "Books.json").events) == 1


def test_ratings_of_one_category_are_passed_over_beside_reviews_but_not_those_of_another(
    tmp_path: Path,
) -> None:
    one, ratings = json_lines([review(*ROWS[0])]), csv_lines(ROWS)
    write(tmp_path, {"reviews_Beauty_5.json": one, "ratings_Beauty.csv": ratings})
    assert len(open_source(tmp_path).events) == 1
    write(tmp_path, {"ratings_Books.csv": ratings})
    with pytest.raises(
        SourceError,
        match=r"found ratings_Books\.csv, reviews_Beauty_5\.json, expected one data set; name the file",
    ):
        open_source(tmp_path)
    assert len(open_source(tmp_path / "ratings_Books.csv").events) == 2


def test_a_number_beyond_all_bounds_and_an_odd_literal_cost_their_rows(tmp_path: Path) -> None:
    good = review(*ROWS[0])
    rows = json_lines(
        [
            good,
            good | {"unixReviewTime": 10**400},
            good | {"overall": 10**400},
            good | {"overall": float("nan")},
        ]
    )
    meta = ["{{}: 1}", "{'asin': 'B0000530HU', 'title': {[]: 1}}", *META_2014[:1]]
    source = open_source(
        write(tmp_path, {"Beauty.json": rows, "meta_Beauty.json": "\n".join(meta).encode()})
    )
    assert (len(source.events), source.num_items) == (1, 1)
    assert [(reject.line, reject.reason) for reject in source.rejects] == [
        *((line, "expected a JSON object or a Python dictionary") for line in (1, 2)),
        (2, "unixReviewTime: expected a number"),
        (3, "overall: expected a number"),
        (4, "overall: expected a number"),
    ]


def test_less_and_greater_are_no_html(tmp_path: Path) -> None:
    title = (
        "5 &lt; 6 &amp; 7 &gt; 3 <b>x</b> 3<4 and 5>2 I &lt;3 U<br/>&lt;i&gt;y&lt;/i&gt;<!-- z -->"
    )
    meta = json.dumps({"asin": "B0000530HU", "title": title}).encode()
    (item,) = open_source(
        write(tmp_path, {"Beauty.json": json_lines([review(*ROWS[0])]), "meta_Beauty.json": meta})
    ).items
    assert item["title"] == "5 < 6 & 7 > 3 x 3<4 and 5>2 I <3 U y"


INTER = b"user_id:token\titem_id:token\ttimestamp:float\nu\ti1\t1472688001\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"Beauty.json": json_lines([review(*ROWS[0])]), "meta_Beauty.json.gz": b""},
            r"meta_Beauty\.json\.gz, line 1: .*at least one item",
        ),
        (
            {"Beauty.json": json_lines([review(*ROWS[0])]), "meta_Beauty.json": b"x\n"},
            r"json, line 1: found 'x', .*\(expected a JSON object",
        ),
        (
            {
                "Beauty.json": json_lines([review(*ROWS[0])]),
                "meta_Beauty.json": b"cut\n{'asin': 'B1'}\n",
            },
            r"meta_Beauty\.json: found 1 items, none of them reviewed, expected at least one",
        ),
        (
            {"shop.inter": INTER, "shop.item": b""},
            r"shop\.item, line 1, column item_id: .*expected a header with this column",
        ),
        (
            {"shop.inter": INTER, "shop.item": b"item_id:token\n"},
            r"shop\.item, line 1: .*expected at least one item \(there are no rows",
        ),
        (
            {"shop.inter": INTER, "shop.item": b"item_id:token\tx\n1\n"},
            r"shop\.item, line 2: found '1.*\(expected 2 columns, found another",
        ),
    ],
)
def test_a_file_of_items_without_one_is_refused(
    content: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(write(tmp_path, content))


def test_an_item_counts_once_and_its_second_row_is_told(tmp_path: Path) -> None:
    shop = {
        "shop.inter": INTER,
        "shop.item": b"item_id:token\ttitle:token_seq\ni1\tRed\ni2\tBlue\ni1\tGreen\n",
    }
    films = {
        "ratings.csv": b"userId,movieId,rating,timestamp\n7,1,4.0,881250950\n",
        "movies.csv": b"movieId,title,genres\n1,Red,Drama\n2,Blue,Drama\n1,Green,Drama\n",
    }
    for name, content in (("shop", shop), ("ml", films)):
        source = open_source(write(tmp_path / name, content))
        assert ([raw["title"] for raw in source.items], source.num_items) == (["Red", "Blue"], 2)
        assert [(reject.line, reject.reason) for reject in source.rejects] == [
            (4, "an earlier row has the same item")
        ]


def test_sequences_of_recbole_are_kept_whole(tmp_path: Path) -> None:
    item = b"item_id:token\tvec:float_seq\ttags:token_seq\tprice:float\t\t\ni1\t0.1 0.2 0.3\tx  y\t9.5\t\t\n"
    (one,) = open_source(write(tmp_path, {"shop.inter": INTER, "shop.item": item})).items
    assert one["attributes"] == {"vec": ["0.1", "0.2", "0.3"], "tags": ["x", "y"], "price": 9.5}


def test_recbole_files_of_any_kind(tmp_path: Path) -> None:
    content = {
        "shop.inter": b"user_id:token\titem_id:token\ttimestamp:float\nu1\ti1\t1472688001\nu1\ti2\t1472688000\n",
        "shop.item": b"item_id:token\tprice:float\ttitle:token_seq\tbrand:token\ni1\t9.5\tRed shoe\tAcme\ni2\t\t\t\ni3\t1\n",
    }
    source = open_source(write(tmp_path, content))
    assert events_of(source) == [
        ("u1", "i2", "view", None, 1472688000),
        ("u1", "i1", "view", None, 1472688001),
    ]
    shoe, bare = source.items
    assert (shoe["title"], shoe["text"]) == ("Red shoe", "Red shoe. Acme")
    assert shoe["attributes"] == {"price": 9.5, "title": ["Red", "shoe"], "brand": "Acme"}
    assert (bare["item_id"], bare["title"], bare["attributes"]) == ("i2", "i2", {})
    assert [(reject.file, reject.line) for reject in source.rejects] == [("shop.item", 4)]


TABLE = """who;what;stars;when;words
ü1;i1;4;2016-09-01T00:00:01Z;"Red; shoe
of leather"
ü1;i2;;1472688000000;
ü2;i1;5;2016-09-01 00:00:02;later
"""
COLUMNS = Columns(user="who", item="what", at="when", rating="stars", text="words")


def test_a_table_with_named_columns(tmp_path: Path) -> None:
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
        "items and events share the ids"
    )


def test_the_delimiter_is_the_one_that_gives_the_named_columns(tmp_path: Path) -> None:
    columns = Columns(user="u", item="i", at="t")
    for number, name in enumerate(("a|b|c|d|e", '"a;b;c;d;e"')):
        source = open_source(
            write(tmp_path / str(number), {"x.csv": f"u,i,t,{name}\n1,2,{SECONDS},x\n".encode()}),
            columns,
        )
        assert [raw["user_id"] for raw in source.events] == ["1"]


def test_a_line_break_does_not_end_a_title(tmp_path: Path) -> None:
    rows = 'who,what,when,title,words\n1,2,964982703,"Big\nTitle","body\nmore"\n'
    source = open_source(
        write(tmp_path, {"x.csv": rows.encode()}),
        Columns(user="who", item="what", at="when", title="title", text="words"),
    )
    assert [(raw["title"], raw["text"]) for raw in source.items] == [
        ("Big\nTitle", "Big\nTitle. body\nmore")
    ]


def test_words_that_pandas_knows_are_no_times(tmp_path: Path) -> None:
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


def test_a_parquet_table_is_the_same_table(tmp_path: Path) -> None:
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


def test_bad_rows_of_a_table_name_line_and_fault(tmp_path: Path) -> None:
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
        match=r"shop\.csv, line 1, column stern: found 'who,what,stars,when', expected a header with this column",
    ):
        open_source(tmp_path, Columns(user="who", item="what", at="when", rating="stern"))


def test_tags_that_two_people_gave_are_in_a_films_text(tmp_path: Path) -> None:
    content = {
        "ratings.csv": b"userId,movieId,rating,timestamp\n7,1,4.0,881250950\n",
        "movies.csv": b"movieId,title,genres\n1,Toy Story (1995),Comedy\n",
        "tags.csv": b"userId,movieId,tag,timestamp\n7,1,Pixar,1\n9,1,pixar,2\n9,1,mine alone,3\n9,1,mine alone,4\n7,1,,5\n9,1,,6\n",
    }
    (film,) = open_source(write(tmp_path, content)).items
    assert film["text"] == "Toy Story (1995). Comedy. pixar"


def test_blocks_end_at_lines_and_lines_are_counted_across_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"u{number % 7}\ti{number}\t3\t{SECONDS + number % 5}\n" for number in range(500)]
    rows[250] = "u\ti\tthree\t1\n"
    write(
        tmp_path,
        {"u.data": "".join(rows).encode(), "u.item": ("1|A (1995)|||" + "|0" * 19 + "\n").encode()},
    )
    whole = open_source(tmp_path)
    monkeypatch.setattr(folders, "_BLOCK_BYTES", 100)
    in_blocks = open_source(tmp_path)
    assert list(in_blocks.events) == list(whole.events)
    assert in_blocks.rejects == whole.rejects
    assert in_blocks.rejects[0].line == 251


def test_between_is_a_slice_of_all() -> None:
    gathering = Gathering()
    gathering.add(
        user_ids=["b", " a "], item_ids=["x", "x"], ratings=[1, np.nan], at=[2, 1], lines=[1, 2]
    )
    gathering.add(user_ids=["b"], item_ids=["x"], ratings=[1], at=[2], lines=[3])
    interactions, repeated = gathering.interactions("f.csv", "f" * 64, once=True)
    assert repeated == [3]
    assert [raw["user_id"] for raw in interactions] == ["a", "b"]
    assert list(interactions.between(1, 2)) == list(interactions)[1:]


def test_equal_rows_are_found_wherever_they_stand() -> None:
    rng = np.random.default_rng(7)
    users_N, items_N, at_N = (rng.integers(0, high, 3000) for high in (9, 9, 99))
    ratings_N = rng.choice([1.0, 2.0, np.nan], 3000)
    gathering = Gathering()
    gathering.add(
        user_ids=users_N.astype(str),
        item_ids=items_N.astype(str),
        ratings=ratings_N,
        at=at_N,
        lines=np.arange(3000),
    )
    seen = set[tuple[str, ...]]()
    again = []
    for line, row in enumerate(zip(users_N, items_N, ratings_N, at_N, strict=True)):
        key = tuple(map(str, row))
        again += [line] if key in seen else []
        seen.add(key)
    interactions, repeated = gathering.interactions("f.csv", "f" * 64, once=True)
    assert repeated == again
    assert len(interactions) == 3000 - len(again) > 100
