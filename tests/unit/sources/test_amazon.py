"""Amazon Reviews of each release, as small files; all give the same records."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from recommender.records.events import parse_event, parse_item
from sources.formats import open_source
from sources.source import TITLE_CHARS, SourceError
from tests.unit.sources.data_sets import (
    ROWS,
    SECONDS,
    csv_lines,
    events_of,
    json_lines,
    review,
    write,
)

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LIPSTICK = {
    "title": "Lipstick &amp; Co <b>red</b>",
    "brand": "Maybe",
    "description": "Long lasting.",
    "asin": "B0000530HU",
}
META_2014 = [
    str({**LIPSTICK, "categories": [["Beauty", "Make-up"]], "salesRank": {"Beauty": 17}}),
    str({"asin": "7806397051", "description": "It's a brush"}),  # without a title
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


def gzip_of(lines: Sequence[str]) -> bytes:
    return gzip.compress("\n".join(lines).encode())


FORMS: dict[str, dict[str, bytes]] = {
    "2014 reviews": {
        "reviews_Beauty_5.json.gz": gzip.compress(json_lines([review(*row) for row in ROWS])),
        "meta_Beauty.json.gz": gzip_of(META_2014),
    },
    "2014 ratings": {
        "ratings_Beauty.csv": csv_lines(ROWS),
        "meta_Beauty.json.gz": gzip_of(META_2014),
    },
    "2018 reviews": {
        "Beauty_5.json.gz": gzip.compress(json_lines([review(*row) for row in ROWS])),
        "meta_Beauty.json.gz": gzip_of(META_2018),
    },
    "2018 ratings": {
        "Beauty.csv": csv_lines([(item, user, rating, at) for user, item, rating, at in ROWS]),
        "meta_Beauty.json.gz": gzip_of(META_2018),
    },
    "2023 reviews": {
        "Beauty.jsonl.gz": gzip.compress(json_lines([review_2023(*row) for row in ROWS])),
        "meta_Beauty.jsonl.gz": gzip_of(META_2023),
    },
    "2023 ratings": {
        "Beauty.csv.gz": gzip.compress(
            csv_lines([HEADER_2023, *((*row[:3], row[3] * 1000) for row in ROWS)])
        ),
        "meta_Beauty.jsonl": "\n".join(META_2023).encode(),
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_amazon_release_gives_the_same_records(form: str, tmp_path: Path) -> None:
    folder = write(tmp_path, FORMS[form])
    source = open_source(folder)
    assert events_of(source) == [
        ("A2UEO5XR3598GI", "7806397051", "rating", 1.0, SECONDS),
        ("A3CIUOJXQ5VDQ2", "B0000530HU", "rating", 5.0, SECONDS + 1),
    ]
    items = {raw["item_id"]: raw for raw in source.items}
    assert items.keys() == {"B0000530HU", "7806397051"}, "items without a review are left out"
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
        "the file alone gives the same as its folder"
    )


@pytest.mark.parametrize(
    "pictures",
    [
        {"imUrl": "https://a.example/main.jpg"},
        {
            "imageURL": ["https://a.example/main._SX40_.jpg"],
            "imageURLHighRes": ["https://a.example/main.jpg"],
        },
        {
            "images": [
                {"variant": "PT01", "large": None, "thumb": None},
                {"variant": "MAIN", "large": "https://a.example/main.jpg", "hi_res": None},
            ]
        },
        {"imUrl": "https://a.example/main.jpg", "images": []},
        {"images": ["https://a.example/no-object"], "imageURL": "https://a.example/main.jpg"},
    ],
)
def test_pictures_of_every_release_are_read(pictures: dict[str, object], tmp_path: Path) -> None:
    meta = json.dumps({"asin": "7806397051", "title": "Brush", **pictures})
    reviews = gzip.compress(json_lines([review(*row) for row in ROWS]))
    source = open_source(
        write(tmp_path, {"Beauty_5.json.gz": reviews, "meta_Beauty.json.gz": gzip_of([meta])})
    )
    item = parse_item(next(iter(source.items)), now=NOW, new_id=str)
    assert item.images == ("https://a.example/main.jpg",)


def test_a_description_in_place_of_a_title_is_not_repeated_whole(tmp_path: Path) -> None:
    description = "It's a brush. " * 10_000
    meta = json.dumps({"asin": "7806397051", "description": description})
    reviews = gzip.compress(json_lines([review(*row) for row in ROWS]))
    source = open_source(
        write(tmp_path, {"Beauty_5.json.gz": reviews, "meta_Beauty.json.gz": gzip_of([meta])})
    )
    item = parse_item(next(iter(source.items)), now=NOW, new_id=str)
    assert len(item.title) == TITLE_CHARS
    assert item.text is not None
    assert len(item.text) <= TITLE_CHARS + 2 + len(description)


def test_bad_and_repeated_reviews_are_rejected(tmp_path: Path) -> None:
    good = review(*ROWS[0])
    bad = [
        review("", "B0000530HU", 5, SECONDS),
        {**good, "asin": None},
        review("A1", "B1", "five", SECONDS),
        review("A1", "B1", 5, None),
        {**good, "reviewText": "the same again in another size"},
        {**good, "unixReviewTime": SECONDS + 9},  # another review of the same item is another event
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


def test_half_a_download_is_refused_with_its_name(tmp_path: Path) -> None:
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


def test_two_categories_are_refused_until_one_is_named(tmp_path: Path) -> None:
    one = json_lines([review(*ROWS[0])])
    with pytest.raises(
        SourceError, match=r"found Beauty\.json, Books\.json, expected one data set; name the file"
    ):
        open_source(write(tmp_path, {"Beauty.json": one, "Books.json": one}))
    assert len(open_source(tmp_path / "Books.json").events) == 1


def test_ratings_are_ignored_only_if_their_reviews_are_there(
    tmp_path: Path,
) -> None:
    one, ratings = json_lines([review(*ROWS[0])]), csv_lines(ROWS)
    write(tmp_path, {"reviews_Beauty_5.json": one, "ratings_Beauty.csv": ratings})
    assert len(open_source(tmp_path).events) == 1
    write(tmp_path, {"ratings_Books.csv": ratings})
    with pytest.raises(
        SourceError,
        match=(
            r"found ratings_Books\.csv, reviews_Beauty_5\.json, expected one data set; "
            r"name the file"
        ),
    ):
        open_source(tmp_path)
    assert len(open_source(tmp_path / "ratings_Books.csv").events) == 2


def test_huge_numbers_and_odd_literals_reject_their_rows(tmp_path: Path) -> None:
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


def test_less_and_greater_signs_are_not_html(tmp_path: Path) -> None:
    title = (
        "5 &lt; 6 &amp; 7 &gt; 3 <b>x</b> 3<4 and 5>2 I &lt;3 U<br/>&lt;i&gt;y&lt;/i&gt;<!-- z -->"
    )
    meta = json.dumps({"asin": "B0000530HU", "title": title}).encode()
    (item,) = open_source(
        write(tmp_path, {"Beauty.json": json_lines([review(*ROWS[0])]), "meta_Beauty.json": meta})
    ).items
    assert item["title"] == "5 < 6 & 7 > 3 x 3<4 and 5>2 I <3 U y"
