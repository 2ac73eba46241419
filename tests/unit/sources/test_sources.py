"""RecBole's files, and how blocks and rows are read, as small files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sources.cells.distinct import distinct_cells
from sources.files.limits import ReadLimits
from sources.formats import open_source
from sources.gathering import Gathering
from tests.unit.sources.data_sets import SECONDS, write


def test_tags_of_two_people_are_in_a_films_text(tmp_path: Path) -> None:
    content = {
        "ratings.csv": b"userId,movieId,rating,timestamp\n7,1,4.0,881250950\n",
        "movies.csv": b"movieId,title,genres\n1,Toy Story (1995),Comedy\n",
        "tags.csv": (
            b"userId,movieId,tag,timestamp\n7,1,Pixar,1\n9,1,pixar,2\n9,1,mine alone,3\n"
            b"9,1,mine alone,4\n7,1,,5\n9,1,,6\n"
        ),
    }
    (film,) = open_source(write(tmp_path, content)).items
    assert film["text"] == "Toy Story (1995). Comedy. pixar"


def test_lines_are_counted_across_blocks(tmp_path: Path) -> None:
    rows = [f"u{number % 7}\ti{number}\t3\t{SECONDS + number % 5}\n" for number in range(500)]
    rows[250] = "u\ti\tthree\t1\n"
    write(
        tmp_path,
        {"u.data": "".join(rows).encode(), "u.item": ("1|A (1995)|||" + "|0" * 19 + "\n").encode()},
    )
    whole = open_source(tmp_path)
    in_blocks = open_source(tmp_path, limits=ReadLimits(block_bytes=100))
    assert list(in_blocks.events) == list(whole.events)
    assert in_blocks.rejects == whole.rejects
    assert in_blocks.rejects[0].line == 251


def test_between_is_a_slice_of_all() -> None:
    gathering = Gathering()
    gathering.add(
        users=distinct_cells(["b", " a "]),
        items=distinct_cells(["x", "x"]),
        ratings=[1, np.nan],
        at=[2, 1],
        lines=[1, 2],
    )
    gathering.add(
        users=distinct_cells(["b"]), items=distinct_cells(["x"]), ratings=[1], at=[2], lines=[3]
    )
    interactions, repeated = gathering.interactions("f.csv", "f" * 64, once=True)
    assert repeated == [3]
    assert [raw["user_id"] for raw in interactions] == ["a", "b"]
    assert list(interactions.between(1, 2)) == list(interactions)[1:]


def test_equal_rows_are_found_anywhere() -> None:
    rng = np.random.default_rng(7)
    users_N, items_N, at_N = (rng.integers(0, high, 3000) for high in (9, 9, 99))
    ratings_N = rng.choice([1.0, 2.0, np.nan], 3000)
    gathering = Gathering()
    gathering.add(
        users=distinct_cells(users_N.astype(str)),
        items=distinct_cells(items_N.astype(str)),
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
