"""Items as texts describe them: by their newest records, read once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cron.backends.sqlite.item_records import SqliteItemRecords
from cron.known_item import KnownItem
from gateway.copy.described_items import DescribedItem, DescribedItems
from recommender.records.events import Item

AT = datetime(2026, 3, 1, tzinfo=UTC)


class ReadStore(SqliteItemRecords):
    """A store that counts how often whole records were read."""

    num_reads = 0

    def find(self, item_ids: Sequence[str]) -> Mapping[str, KnownItem]:
        self.num_reads += 1
        return super().find(item_ids)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReadStore]:
    opened = ReadStore(tmp_path / "items.db")
    yield opened
    opened.close()


def film(hour: int, item_id: str, *, title: str, deleted: bool = False) -> Item:
    return Item(
        event_id=f"e{hour}",
        item_id=item_id,
        title=title,
        at=AT + timedelta(hours=hour),
        attributes={"genre": ("Drama",), "cost": 3.0},
        hidden=deleted,
        deleted=deleted,
    )


def find(items: DescribedItems, *item_ids: str) -> Mapping[str, DescribedItem]:
    return asyncio.run(items.find(item_ids))


def test_an_item_is_read_once_until_it_changes(store: ReadStore) -> None:
    items = DescribedItems(store)
    store.append([film(1, "a", title="Sea")])
    for _ in range(3):
        assert find(items, "a", "unknown")["a"].item.title == "Sea"
    assert store.num_reads == 1
    store.append([film(2, "a", title="The Sea")])  # as another gateway would
    assert find(items, "a")["a"].item.title == "The Sea"
    store.append([film(3, "a", title="The Sea", deleted=True)])
    assert find(items, "a") == {}


def test_a_private_attribute_is_not_described(store: ReadStore) -> None:
    store.append([film(1, "a", title="Sea")])
    items = DescribedItems(store, ["genre"])
    assert find(items, "a")["a"].item.attributes == ()


def test_only_so_many_items_are_kept(store: ReadStore) -> None:
    items = DescribedItems(store, most=2)
    store.append([film(1, name, title=name) for name in "abc"])
    assert set(find(items, *"abc")) == set("abc")
    find(items, *"bc")
    assert store.num_reads == 1
    find(items, "a")
    assert store.num_reads == 2
