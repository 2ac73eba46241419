"""Which items were hidden lately, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cron.lineage import Release, Serving
from cron.ports import Histories, ItemRecords
from cron.wiring import open_histories, open_item_records
from gateway.model.lately_hidden import MAX_SENT, TRAINING, LatelyHidden
from gateway.model.live_release import LiveRelease
from tests.contracts.records import START_AT, item
from tests.releases import manifest

HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class HidingShop:
    """Stores of a shop that hides items, and what a gateway knows of it."""

    histories: Histories
    item_records: ItemRecords
    lately: LatelyHidden

    def send(self, item_id: str, at: datetime, *, hidden: bool) -> None:
        record = replace(item(1, item_id, hidden=hidden), event_id=f"{item_id} {at}", at=at)
        self.histories.append([record])
        self.item_records.append([record])


@pytest.fixture
def shop(tmp_path: Path) -> HidingShop:
    url = f"sqlite:///{tmp_path}/histories.db"
    histories = open_histories(url, lambda user_id: user_id)
    item_records = open_item_records(url)
    made = manifest(3, created_at=START_AT + TRAINING)
    release = Release(version=3, manifest=made, published_at=START_AT, rolled_back_at=None)
    live = LiveRelease(lambda: Serving(live=3, switch=None, epoch=1), lambda _: release)
    return HidingShop(
        histories=histories,
        item_records=item_records,
        lately=LatelyHidden(histories, item_records, live),
    )


def test_items_are_known_by_the_time_they_were_hidden(shop: HidingShop) -> None:
    shop.send("long ago", START_AT - HOUR, hidden=True)
    shop.send("shown", START_AT + HOUR, hidden=False)
    shop.send("early", START_AT + HOUR, hidden=True)
    shop.send("late", START_AT + 2 * HOUR, hidden=True)
    assert [*shop.lately.ids(None)] == []
    shop.lately.refresh()
    assert {*shop.lately.ids(None)} == {"early", "late"}
    assert [*shop.lately.ids(START_AT + HOUR)] == ["early"]
    assert [*shop.lately.ids(START_AT)] == []


def test_an_item_that_is_shown_again_is_left_out_no_more(shop: HidingShop) -> None:
    shop.send("a", START_AT + HOUR, hidden=True)
    shop.lately.refresh()
    shop.send("a", START_AT + 2 * HOUR, hidden=False)
    shop.lately.refresh()
    assert [*shop.lately.ids(None)] == []


def test_the_newest_are_sent(shop: HidingShop) -> None:
    records = [item(number, f"i{number}", hidden=True) for number in range(MAX_SENT + 2)]
    shop.histories.append(records)
    shop.item_records.append(records)
    shop.lately.refresh()
    assert len([*shop.lately.ids(None)]) == MAX_SENT
    assert "i1" not in shop.lately.ids(None)
