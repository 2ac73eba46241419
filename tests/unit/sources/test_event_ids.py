"""Ids of ingested events: equal for equal rows in any file, and in file order among ties."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recommender.records.events import parse_event
from sources.cells.distinct import distinct_cells
from sources.formats import open_source
from sources.gathering import Gathering, GatheringSizes
from sources.interactions import CHUNK_ROWS, Interactions, event_id
from sources.tables.columns import Columns

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SECONDS = 1472688000
COLUMNS = Columns(user="u", item="i", at="t", rating="r")
ROWS = f"ann;shoe;4;{SECONDS}\nann;hat;;{SECONDS}\nbob;shoe;4.7;{SECONDS + 1}.123457\n"


def ids(path: Path) -> list[str]:
    return [str(raw["event_id"]) for raw in open_source(path, COLUMNS).events]


def table(folder: Path, rows: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "shop.csv").write_bytes(f"u;i;r;t\n{rows}".encode())
    return folder / "shop.csv"


def gather(
    *,
    users: list[str],
    items: list[str],
    at: list[float],
    ratings: list[float] | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Interactions:
    gathering = Gathering(GatheringSizes(chunk_rows=chunk_rows))
    gathering.add(
        users=distinct_cells(users),
        items=distinct_cells(items),
        ratings=ratings or [np.nan] * len(at),
        at=at,
        lines=range(2, len(at) + 2),
    )
    return gathering.interactions("f.csv", "f" * 64)[0]


def test_the_rows_of_a_longer_export_keep_their_ids(tmp_path: Path) -> None:
    before = ids(table(tmp_path, ROWS))
    assert len({*before}) == 3
    after = ids(
        table(
            tmp_path,
            ROWS + f"ann;scarf;;{SECONDS}\ncyd;shoe;1;{SECONDS - 9}\nbob;hat;;{SECONDS + 2}\n",
        )
    )
    assert set(before) < set(after)
    assert len({*after}) == 6


def test_an_id_does_not_depend_on_how_the_file_is_written(tmp_path: Path) -> None:
    expected = ids(table(tmp_path / "a", ROWS))
    header, body = "t,more,i,u,r\r\n", "".join
    rows = [row.split(";") for row in ROWS.splitlines()]
    crlf = header + body(
        f'{at},"x, y",{item}, {user} ,{rating}\r\n' for user, item, rating, at in rows
    )
    (tmp_path / "b.csv").write_bytes(crlf.encode())
    as_named = (
        f"u\ti\tr\tt\nann\tshoe\t4.0\t2016-09-01T00:00:00Z\nann\that\t\t{SECONDS}000\n"
        "bob\tshoe\t4.70\t2016-09-01 02:00:01.123457+02:00\n"
    )
    (tmp_path / "c.tsv").write_text(as_named)
    frame = pd.read_csv(io.StringIO(f"u;i;r;t\n{ROWS}"), sep=";").assign(
        t=lambda one: pd.to_datetime(one["t"].mul(1e6).round(), unit="us")
    )
    frame.to_parquet(tmp_path / "d.parquet")
    frame.astype({"r": "float32"}).to_parquet(tmp_path / "e.parquet")
    for name in ("b.csv", "c.tsv", "d.parquet", "e.parquet"):
        assert ids(tmp_path / name) == expected, name


def test_rows_keep_their_ids_when_moments_are_reordered(
    tmp_path: Path,
) -> None:
    first, second, third = ROWS.splitlines(keepends=True)
    expected = set(ids(table(tmp_path, ROWS)))
    assert set(ids(table(tmp_path, third + first + second))) == expected
    assert len(set(ids(table(tmp_path, third + second + first))) & expected) == 1, (
        "the order within a moment is part of the data"
    )


@pytest.mark.parametrize(
    "change",
    [{"user": "Ann"}, {"item": "hat"}, {"at": SECONDS + 1e-6}, {"rating": 3.0}, {"rating": np.nan}],
)
def test_another_value_is_another_event(change: dict[str, object]) -> None:
    def only(
        user: str = "ann", item: str = "shoe", at: float = SECONDS, rating: float = 4.0
    ) -> object:
        (raw,) = gather(users=[user], items=[item], at=[at], ratings=[rating])
        return raw["event_id"]

    assert only(**change) != only() == only()  # type: ignore[arg-type]


def test_kept_repeats_are_several_events() -> None:
    first, many = (
        [
            raw["event_id"]
            for raw in gather(
                users=["ann"] * number, items=["shoe"] * number, at=[SECONDS] * number
            )
        ]
        for number in (1, 3)
    )
    assert many[0] == first[0]
    assert len({*many}) == 3


def test_ids_keep_the_order_of_the_file_among_a_users_ties() -> None:
    rng = np.random.default_rng(5)
    users_N = rng.integers(0, 3, 4000)
    at_N = SECONDS + rng.integers(0, 20, 4000) // 7 * 1e-6  # a thousand rows at each moment
    events = list(
        gather(
            users=users_N.astype(str).tolist(),
            items=rng.integers(0, 4, 4000).astype(str).tolist(),
            at=at_N.tolist(),
        )
    )
    parsed = [parse_event(raw, now=NOW, new_id=lambda: "") for raw in events]
    by_line = [
        (event.user_id, event.item_id, event.at)
        for event in sorted(parsed, key=lambda event: event.user_id)
    ]
    by_id = sorted(parsed, key=lambda event: (event.user_id, event.at, event.event_id))
    assert [(event.user_id, event.item_id, event.at) for event in by_id] == by_line
    assert len({event.event_id for event in parsed}) == 4000
    places: Counter[tuple[str, datetime]] = Counter()
    for event in parsed:
        place = int(event.event_id.split(":")[1][1:])
        assert place == places[event.user_id, event.at]
        places[event.user_id, event.at] += 1


def test_more_digits_sort_after_fewer() -> None:
    places = [0, 1, 9, 10, 99, 100, 1000, 10**9 - 1]
    made = [event_id("ann", "shoe", "view", 4.0, SECONDS * 10**6, place) for place in places]
    assert made == sorted(made)


def test_times_closer_than_a_microsecond_keep_their_order() -> None:
    at = [SECONDS + step / 4e6 for step in range(40)]
    parsed = [
        parse_event(raw, now=NOW, new_id=lambda: "")
        for raw in gather(users=["ann"] * 40, items=["x"] * 40, at=at[::-1])
    ]
    assert parsed == sorted(parsed, key=lambda event: (event.at, event.event_id))
    assert all(
        event.event_id.startswith(f"{round(event.at.timestamp() * 1e6):016}:") for event in parsed
    )


def test_an_impossible_time_still_has_an_id() -> None:
    events = list(gather(users=["a"] * 4, items=["x"] * 4, at=[-1e300, -5.5, 1e300, 1.7e308]))
    assert len({raw["event_id"] for raw in events}) == 4


def test_ids_do_not_depend_on_the_part() -> None:
    users, items, at = list("aabaababaa"), list("xyzxyzxyzx"), [1.0] * 4 + [2.0] * 2 + [1.0] * 3
    in_parts = gather(users=users, items=items, at=[*at, 3.0], chunk_rows=3)
    whole = [raw["event_id"] for raw in in_parts]
    fresh = gather(users=users, items=items, at=[*at, 3.0])
    assert [raw["event_id"] for raw in fresh] == whole
    assert [raw["event_id"] for raw in fresh.between(4, 10)] == whole[4:]
