"""A full retrain's snapshot by ranges of users: it has the same events."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cron.ports import Cursor
from cron.snapshot.limits import Limits
from cron.snapshot.pools import PoolSizes
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.snapshot import build_snapshot
from recommender.records.events import Event
from tests.component.house import House
from tests.component.snapshots import REQUEST, SMALL
from tests.contracts.records import event, item

NUM_EVENTS = 900
RANGES = replace(SMALL, user_part=60)
FULL = replace(REQUEST, mode="full", target_range=(1, NUM_EVENTS), items_through=NUM_EVENTS)
ASKED = {
    "without limits": FULL,
    "of a user": replace(FULL, limits=Limits(user_share=0.02, item_share=1.0, floor=1)),
    "of an item": replace(FULL, limits=Limits(user_share=1.0, item_share=0.05, floor=1)),
    "both": replace(FULL, limits=Limits(user_share=0.02, item_share=0.05, floor=10)),
    "a part, with fresh events": replace(
        FULL, target_range=(100, 800), fresh_range=(700, 800), excluded=((300, 340),)
    ),
    "a baseline": replace(FULL, mode="baseline"),
}


def events_of_a_shop() -> list[Event]:
    """Return events of 60 users, some of them impressions, half of them with two items."""
    draw = random.Random(1)
    return [
        event(
            number,
            user_id=f"user {min(draw.randrange(60), draw.randrange(60))}",
            item_id=f"i{draw.choice((1, 2, draw.randrange(40)))}",
            type_=draw.choice(("view", "view", "purchase", "impression")),
        )
        for number in range(1, NUM_EVENTS + 1)
    ]


@pytest.fixture
def shop(house: House) -> House:
    """Return the shared empty house with a shop's events in nine segments."""
    events = events_of_a_shop()
    for begin in range(0, NUM_EVENTS, 100):
        house.journal.accept(events[begin : begin + 100], Cursor("0"), house.lease)
    return house


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
def test_ranges_of_users_give_the_same_events(
    shop: House, tmp_path: Path, asked: SnapshotRequest
) -> None:
    whole = build_snapshot(shop.journal, asked, tmp_path / "whole")
    ranges = build_snapshot(shop.journal, asked, tmp_path / "ranges", sizes=RANGES)
    for file in ("events.parquet", "fresh.parquet"):
        expected, found = (pq.read_table(tmp_path / name / file) for name in ("whole", "ranges"))
        assert found.equals(expected)
    assert pq.ParquetFile(tmp_path / "ranges" / "events.parquet").num_row_groups > 5
    counts = ("num_targets", "over_user_limit", "over_item_limit")
    assert [getattr(ranges, name) for name in counts] == [getattr(whole, name) for name in counts]


def test_limits_leave_events_out_of_these_requests(shop: House, tmp_path: Path) -> None:
    """Else the comparison above would compare nothing."""
    user, item_, both = (
        build_snapshot(shop.journal, ASKED[name], tmp_path / name, sizes=RANGES)
        for name in ("of a user", "of an item", "both")
    )
    assert user.over_user_limit > 50
    assert item_.over_item_limit > 50
    assert min(both.over_user_limit, both.over_item_limit) > 10


def test_enough_parts_give_the_same_panel(shop: House, tmp_path: Path) -> None:
    asked = replace(FULL, older_before=500)
    large = PoolSizes(whole_up_to=0, newest=NUM_EVENTS, num_stretches=4, user_part=60)
    whole = build_snapshot(shop.journal, asked, tmp_path / "whole")
    assert build_snapshot(shop.journal, asked, tmp_path / "parts", sizes=large) == whole
    assert whole.num_panel_events >= asked.need.min_events
    assert whole.num_older_events > 0


def test_temporary_files_are_gone(shop: House, tmp_path: Path) -> None:
    build_snapshot(shop.journal, FULL, tmp_path / "out", sizes=RANGES)
    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and path.name == "parts"]


def test_items_are_read_where_there_are_some(shop: House, tmp_path: Path) -> None:
    shop.journal.accept(
        [item(1001, "a"), item(1002, "b"), replace(item(1003, "a"), title="Renamed")],
        Cursor("0"),
        shop.lease,
    )
    asked = replace(FULL, items_through=shop.journal.last_seq)
    build_snapshot(shop.journal, asked, tmp_path / "out", sizes=RANGES)
    found = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    assert [(row["item_id"], row["title"]) for row in found] == [("a", "Renamed"), ("b", "Item b")]


def test_a_journal_of_items_alone_has_empty_tables(house: House, tmp_path: Path) -> None:
    house.journal.accept([item(1, "a"), item(2, "b")], Cursor("0"), house.lease)
    asked = replace(FULL, mode="baseline", target_range=(1, 2), items_through=2)
    for name, sizes in (("whole", PoolSizes()), ("ranges", RANGES)):
        build_snapshot(house.journal, asked, tmp_path / name, sizes=sizes)
    for file in ("events.parquet", "fresh.parquet", "panel.parquet", "items.parquet"):
        expected, found = (pq.read_table(tmp_path / name / file) for name in ("whole", "ranges"))
        assert found.equals(expected)
