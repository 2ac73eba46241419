"""The item records follow the log beside the histories, and are rebuilt when lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cron.errors import LogGap
from cron.item_counts import buckets_of
from cron.journal.follow import follow_once
from cron.journal.follow_items import ItemFollower
from cron.ledger import journal_rows
from cron.ports import START
from cron.wiring import open_item_records
from recommender.config import Signals
from tests.component.house import House
from tests.contracts.records import event, item

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def items(tmp_path: Path) -> ItemFollower:
    return ItemFollower(
        item_records=open_item_records(f"sqlite:///{tmp_path}/histories.db"),
        counts=Signals().counts_for_popularity,
        now=lambda: NOW,
    )


def follow(house: House, items: ItemFollower) -> None:
    while follow_once(house.log, house.histories, items=items):
        pass
    items.keep_up(house.journal, house.log)


def state(items: ItemFollower) -> tuple[list[str], int]:
    """Return the titles of all items, and the number of views of item `i` in a week."""
    records = items.item_records
    titles = [one.record.title for one in records.by_id(after="", limit=9)]
    return titles, records.sums(["i"], buckets_of(7 * DAY, now=NOW)).get("i", 0)


def fill(house: House) -> None:
    """Append three items, one of them deleted, and three events that count, one of them old."""
    house.log.append([item(number, name) for number, name in enumerate("abc")])
    house.log.append([replace(item(9, "b", hidden=True), deleted=True)])
    house.log.append([event(1, at=NOW), event(2, at=NOW - 2 * DAY), event(3, at=NOW - 90 * DAY)])
    house.log.append([event(4, at=NOW, type_="impression"), event(5, at=NOW, type_="dislike")])


def test_items_and_counts_follow_the_log_with_the_histories(
    house: House, items: ItemFollower
) -> None:
    fill(house)
    follow(house, items)
    assert state(items) == (["Item a", "Item c"], 2)
    assert items.item_records.cursor() == house.histories.cursor() != START
    house.log.append([item(10, "b")])
    follow(house, items)
    assert state(items) == (["Item a", "Item b", "Item c"], 2)


def test_lost_items_are_rebuilt_and_count_once(house: House, items: ItemFollower) -> None:
    fill(house)
    follow(house, items)
    house.collect()
    house.log.append([event(6, at=NOW)])
    for _ in range(2):
        items.item_records.clear()
        follow(house, items)
        assert state(items) == (["Item a", "Item c"], 3)


def test_a_deletion_outlives_a_trimmed_log_and_a_rebuild(house: House, items: ItemFollower) -> None:
    fill(house)
    house.collect()
    while follow_once(house.log, house.histories):  # without the items, as an earlier Freshet
        pass
    house.log.trim(journal_rows.log_cursor(house.ledger), house.histories.cursor())
    with pytest.raises(LogGap):
        house.log.read(items.item_records.cursor(), 1)
    follow(house, items)
    assert state(items) == (["Item a", "Item c"], 2)
    assert house.histories.hidden() == {"b"}


def test_items_that_are_ahead_of_the_histories_count_once(
    house: House, items: ItemFollower
) -> None:
    fill(house)
    batch = house.log.read(START, 6)  # killed between the items and the histories
    items.copy(batch, after=START)
    follow(house, items)
    assert state(items) == (["Item a", "Item c"], 2)
    assert len(house.histories.recent("u", 9)) == 4
