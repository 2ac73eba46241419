"""The item records follow the log beside the histories, and are rebuilt when lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from cron.errors import LogGap
from cron.item_counts import buckets_of
from cron.journal.follow import follow_once
from cron.journal.follow_items import ItemFollower
from cron.journal.journal import Journal
from cron.ledger import journal_rows
from cron.lineage import Range
from cron.ports import START
from cron.wiring import open_item_records
from recommender.config import Signals
from tests.component.house import House
from tests.contracts.records import event, fact, item

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


def test_facts_follow_the_log_and_are_rebuilt(house: House, items: ItemFollower) -> None:
    house.log.append([item(1, "a"), fact(2, "a"), fact(3, "a", "bob")])
    house.log.append([fact(4, "a", withdrawn=True)])
    for _ in range(2):
        follow(house, items)
        assert items.item_records.facts(["a"], limit=9) == {"a": (fact(3, "a", "bob"),)}
        house.collect()
        items.item_records.clear()


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


def test_of_two_rebuilds_the_later_one_counts(
    house: House, items: ItemFollower, tmp_path: Path
) -> None:
    fill(house)
    house.collect()
    house.log.append([event(6, at=NOW)])
    house.collect()
    other = replace(items)

    class Interrupted(Journal):
        def delete_stale_copies(self) -> None:
            other.rebuild(house.journal, house.log)

    journal = Interrupted(house.ledger, house.artifacts, tmp_path / "journal")
    items.rebuild(journal, house.log)
    for one in (items, other):
        one.keep_up(house.journal, house.log)
    assert state(items) == (["Item a", "Item c"], 3)


def test_events_collected_during_a_rebuild_count_once(
    house: House, items: ItemFollower, tmp_path: Path
) -> None:
    fill(house)
    house.collect()

    class Growing(Journal):
        def ranges(self) -> tuple[Range, ...]:
            if items.item_records.cursor() != START and house.journal.last_seq < 10:
                house.log.append([event(6, at=NOW)])
                house.collect()
            return Journal.ranges(self)

    items.rebuild(Growing(house.ledger, house.artifacts, tmp_path / "journal"), house.log)
    assert state(items) == (["Item a", "Item c"], 3)


def test_an_abandoned_rebuild_is_done_again(house: House, items: ItemFollower) -> None:
    fill(house)
    house.collect()
    items.item_records.clear()
    follow(house, items)
    assert state(items) == (["Item a", "Item c"], 2)
    assert items.item_records.cursor() == house.journal.log_cursor


def test_a_rebuild_moves_its_mark_through_old_events(
    house: House, items: ItemFollower, tmp_path: Path
) -> None:
    """Otherwise another follower finds it abandoned, begins again, and both do so forever."""
    for number in range(3):
        house.log.append([event(number, at=NOW - 90 * DAY)])
        house.collect()
    marks: list[str] = []

    class Watched(Journal):
        def read(
            self, first_seq: int, last_seq: int, *, columns: Sequence[str] | None = None
        ) -> pa.Table:
            if columns is None:
                marks.append(items.item_records.cursor())
            return Journal.read(self, first_seq, last_seq, columns=columns)

    items.rebuild(Watched(house.ledger, house.artifacts, tmp_path / "journal"), house.log)
    assert len({*marks}) == 3
