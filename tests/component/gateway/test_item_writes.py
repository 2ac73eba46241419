"""Changes of items while their store does not take writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from cron.backends.sqlite.item_records import SqliteItemRecords
from cron.errors import Unavailable
from cron.journal.dead_letters import DeadLetters
from gateway.content.parsed_events import batch_of
from gateway.errors import UnknownItem
from gateway.intake import item_writes as writes
from gateway.intake.item_changes import ItemChanges
from gateway.intake.record_changes import RecordChanges
from gateway.intake.record_groups import RecordGroups
from gateway.intake.record_ids import RecordIds
from gateway.intake.record_intake import RecordIntake
from recommender.records.events import Description
from tests.component.house import open_house
from tests.contracts.records import event, item

BEFORE = replace(item(1, "x"), title="Old title", text="old text")


class BusyItems(SqliteItemRecords):
    """A store that refuses the gateway's writes while it is busy, as when another has its lock."""

    is_busy = False

    def append(self, records: Sequence[Description]) -> None:
        if self.is_busy:
            raise Unavailable("the store of items", where="here", why="locked")
        super().append(records)


class ChangingShop:
    """What changes items in a gateway."""

    def __init__(self, folder: Path) -> None:
        house = open_house(folder)
        ids = (f"p{number}" for number in count())
        letters = DeadLetters(folder / "dead-letters.jsonl")
        self.items = BusyItems(folder / "items.db")
        self.intake = RecordIntake(
            house.log, house.histories, self.items, letters, new_id=RecordIds()
        )
        changes = RecordChanges(self.intake, new_id=ids.__next__, is_filling=lambda: False)
        self.changes = ItemChanges(self.items, changes)
        self.intake.add(BEFORE)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ChangingShop]:
    shop = ChangingShop(tmp_path)
    yield shop
    shop.items.close()


def test_a_change_keeps_one_that_was_not_written(shop: ChangingShop) -> None:
    shop.items.is_busy = True
    shop.changes.merge("x", {"title": "New title", "hidden": True})
    with pytest.raises(Unavailable):
        shop.changes.merge("x", {"text": "refused"})
    shop.items.is_busy = False
    shop.changes.merge("x", {"text": "new text"})
    record = shop.items.find(["x"])["x"].record
    assert (record.title, record.text, record.hidden) == ("New title", "new text", True)


def test_a_change_brings_no_deleted_item_back(shop: ChangingShop) -> None:
    shop.items.is_busy = True
    shop.changes.delete("x")
    shop.items.is_busy = False
    with pytest.raises(UnknownItem):
        shop.changes.merge("x", {"title": "New title"})


def test_a_change_follows_a_clock_that_is_ahead(shop: ChangingShop) -> None:
    ahead = replace(item(2, "x"), title="Ahead", at=datetime.now(UTC) + timedelta(minutes=3))
    shop.items.is_busy = True
    shop.intake.add(ahead)
    shop.items.is_busy = False
    shop.changes.merge("x", {"hidden": True})
    record = shop.items.find(["x"])["x"].record
    assert (record.title, record.hidden) == ("Ahead", True)
    assert ahead.at < record.at < ahead.at + timedelta(seconds=1)


def test_the_next_record_brings_those_that_wait(shop: ChangingShop) -> None:
    shop.items.is_busy = True
    shop.intake.add(replace(item(3, "x"), title="Newest", at=BEFORE.at + timedelta(days=2)))
    shop.intake.add(replace(item(4, "x"), title="Newer", at=BEFORE.at + timedelta(days=1)))
    shop.items.is_busy = False
    shop.intake.add(item(5, "y"))
    assert shop.items.find(["x"])["x"].record.title == "Newest"


async def store_events_beside_an_item(intake: RecordIntake) -> None:
    """Store an event, an item, and another event, all at the same time; only the item fails."""
    groups = RecordGroups(intake)
    first, refused, *others = await asyncio.gather(
        groups.store_events(batch_of([event(1)], assigned=())),
        groups.store("item", [item(6, "z")]),
        groups.store_events(batch_of([event(2)], assigned=())),
        groups.store_events(batch_of([event(3)], assigned=())),
        return_exceptions=True,
    )
    assert isinstance(refused, Unavailable)
    assert [first, *others] == [0, 0, 0]


def test_no_more_records_wait_than_there_is_room_for(shop: ChangingShop) -> None:
    num = writes.MAX_WAITING
    many = [item(10 + number, f"many-{number}") for number in range(num)]
    shop.items.is_busy = True
    shop.intake.keep(many, [], source="test", at=BEFORE.at)
    with pytest.raises(Unavailable):
        shop.intake.add(item(5, "y"))
    asyncio.run(store_events_beside_an_item(shop.intake))
    shop.items.is_busy = False
    shop.intake.add(item(5, "y"))
    assert set(shop.items.find(["many-0", f"many-{num - 1}", "y"])) == {
        "many-0", f"many-{num - 1}", "y"
    }  # fmt: skip
