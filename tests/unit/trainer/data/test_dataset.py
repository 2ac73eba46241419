"""Reading a snapshot: order, roles, what is positive, and clear errors for broken files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import Signals
from tests.planted import PlantedRow, write_planted_snapshot, write_rows
from trainer.data.dataset import (
    EventTable,
    SnapshotError,
    positive_events,
    read_events,
    read_items,
    read_manifest,
)
from trainer.data.event_counts import StartCounts


def table(tmp_path: Path, rows: list[PlantedRow]) -> EventTable:
    write_rows(tmp_path / "events.parquet", rows)
    return read_events(tmp_path / "events.parquet")


def test_events_are_read_by_user_and_time(tmp_path: Path) -> None:
    events = table(
        tmp_path,
        [
            PlantedRow(seq=1, user_id="b", item_id="x", at_us=5_000_000, rating=4.0),
            PlantedRow(
                seq=2, user_id="a", item_id="y", at_us=9_000_000, type="click", role="context"
            ),
            PlantedRow(seq=3, user_id="a", item_id="x", at_us=3_500_000, type="view"),
        ],
    )
    assert [events.users[number] for number in events.user_E] == ["a", "a", "b"]
    assert events.seq_E.tolist() == [3, 2, 1]
    assert events.at_s_E.tolist() == [3.5, 9.0, 5.0]
    assert np.isnan(events.rating_E).tolist() == [True, True, False]
    assert events.role_is("target").tolist() == [True, False, True]
    assert events.user_starts.tolist() == [0, 0, 2]
    assert events.rows(Catalogue([CatalogueItem(item_id="x")])).tolist() == [0, -1, 0]


def test_events_of_one_moment_keep_the_order_of_their_ids(tmp_path: Path) -> None:
    rows = [
        PlantedRow(seq=seq, user_id="a", item_id=f"i{seq}", at_us=1_000_000) for seq in (3, 1, 2)
    ]
    assert table(tmp_path, rows).seq_E.tolist() == [1, 2, 3]


def many_rows() -> list[PlantedRow]:
    """Return rows in order, some at the same moment, of users whose ids need their bytes' order."""
    return [
        PlantedRow(
            seq=100 * number + place,
            user_id=user,
            item_id=f"i{place % 3}",
            at_us=place // 2,
            type=("view", "click")[place % 2],
        )
        for number, user in enumerate(sorted(["B", "a", "Ünal", "z", "日本", "🎬"]))
        for place in range(10)
    ]


@pytest.mark.parametrize("row_group_size", [7, 1_000])
def test_the_order_of_a_file_does_not_matter(tmp_path: Path, row_group_size: int) -> None:
    """Files of ours are in order and are not sorted again."""
    rows = many_rows()
    expected = table(tmp_path, rows)
    assert expected.seq_E.tolist() == [row.seq for row in rows]
    path = tmp_path / "events.parquet"
    written = pq.read_table(path)
    shuffles = [np.random.default_rng(seed).permutation(len(rows)).tolist() for seed in range(3)]
    swapped = list(range(len(rows)))
    swapped[4:6] = [5, 4]  # two events of one moment
    for order in [list(range(len(rows))), *shuffles, swapped]:
        pq.write_table(written.take(order), path, row_group_size=row_group_size)
        found = read_events(path)
        assert found.users == expected.users
        assert [found.items[number] for number in found.item_E] == [row.item_id for row in rows]
        assert [found.types[number] for number in found.type_E] == [row.type for row in rows]
        assert found.seq_E.tolist() == expected.seq_E.tolist()


def test_what_is_positive_depends_on_type_and_threshold(tmp_path: Path) -> None:
    base = PlantedRow(seq=0, user_id="a", item_id="x", at_us=0)
    kinds = [("rating", 5.0), ("rating", 2.0), ("click", None), ("impression", None), ("view", 3.0)]
    events = table(
        tmp_path,
        [
            replace(base, seq=seq, at_us=seq, type=type_, rating=rating)
            for seq, (type_, rating) in enumerate(kinds)
        ],
    )
    types = ("rating", "click", "impression")
    assert positive_events(events, types=types, rating=None).tolist() == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert positive_events(events, types=types, rating=4.0).tolist() == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_items_of_events_come_by_first_appearance_in_the_journal(tmp_path: Path) -> None:
    rows = [
        PlantedRow(seq=2, user_id="a", item_id="x", at_us=1),
        PlantedRow(seq=1, user_id="b", item_id="y", at_us=2),
        PlantedRow(seq=3, user_id="b", item_id="x", at_us=3),
    ]
    counts = StartCounts.of(table(tmp_path, rows), Signals())
    assert [item.item_id for item in counts.by_appearance()] == ["y", "x"]


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    events = table(tmp_path, [])
    assert len(events) == 0
    assert events.rows(Catalogue()).tolist() == []
    assert StartCounts.of(events, Signals()).by_appearance() == []
    assert events.role_is("target").tolist() == []


def test_items_and_manifest_are_read(tmp_path: Path) -> None:
    snapshot = write_planted_snapshot(tmp_path / "snapshot")
    items = list(read_items(snapshot / "items.parquet"))
    assert [item.item_id for item in items[:3]] == ["i0", "i1", "i10"]
    assert items[0].attributes == {"genre": ("Even", "Any"), "year": 1990.0}
    assert read_manifest(snapshot).mode == "full"


def test_broken_files_are_named(tmp_path: Path) -> None:
    snapshot = write_planted_snapshot(tmp_path / "snapshot")
    (snapshot / "items.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(SnapshotError, match=r"items\.parquet"):
        list(read_items(snapshot / "items.parquet"))
    with pytest.raises(SnapshotError, match=r"missing\.parquet"):
        read_events(snapshot / "missing.parquet")
    (snapshot / "manifest.json").write_text(json.dumps({"format": 9}))
    with pytest.raises(SnapshotError, match="expected format 2, found 9"):
        read_manifest(snapshot)
