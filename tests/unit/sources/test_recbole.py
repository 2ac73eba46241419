"""RecBole's files of any kind, as small files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sources.formats import open_source
from sources.source import SourceError
from tests.unit.sources.data_sets import ROWS, events_of, json_lines, review, write

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
def test_a_file_of_items_without_an_item_is_refused(
    content: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(write(tmp_path, content))


def test_a_repeated_item_is_rejected(tmp_path: Path) -> None:
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


def test_sequences_of_recbole_are_kept(tmp_path: Path) -> None:
    item = (
        b"item_id:token\tvec:float_seq\ttags:token_seq\tprice:float\t\t\n"
        b"i1\t0.1 0.2 0.3\tx  y\t9.5\t\t\n"
    )
    (one,) = open_source(write(tmp_path, {"shop.inter": INTER, "shop.item": item})).items
    assert one["attributes"] == {"vec": ["0.1", "0.2", "0.3"], "tags": ["x", "y"], "price": 9.5}


def test_recbole_files_of_any_items_are_read(tmp_path: Path) -> None:
    content = {
        "shop.inter": (
            b"user_id:token\titem_id:token\ttimestamp:float\nu1\ti1\t1472688001\n"
            b"u1\ti2\t1472688000\n"
        ),
        "shop.item": (
            b"item_id:token\tprice:float\ttitle:token_seq\tbrand:token\n"
            b"i1\t9.5\tRed shoe\tAcme\ni2\t\t\t\ni3\t1\n"
        ),
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
