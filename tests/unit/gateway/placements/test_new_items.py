"""Which new items are still to be shown, by their first records and their impressions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from cron.backends.sqlite.item_records import open_item_records
from cron.item_counts import count_events
from cron.ledger.posterior_rows import StoredPosterior
from cron.placement_policy import NewItemsBudget, PlacementPolicy
from cron.ports import ItemRecords
from gateway.placements.kept_reading import MAX_AGE_S
from gateway.placements.new_items import NewItems
from gateway.placements.policies import PolicySources, propensity_question
from gateway.placements.posteriors import Posteriors
from recommender.records.events import Event
from tests.contracts.records import event, item

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BUDGET = NewItemsBudget(share=0.1, impressions=3, days=7)


class Shop:
    """Item records, the new items of a gateway, and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.records: ItemRecords = open_item_records(folder / "items.db")
        self.now_s = 0.0
        self.new_items = NewItems(self.records, clock=lambda: self.now_s, now=lambda: NOW)

    def add(self, item_id: str, *, days: float, hidden: bool = False) -> None:
        record = item(1, item_id, hidden=hidden)
        self.records.append([replace(record, at=NOW - timedelta(days=days))])

    def count(self, events: Sequence[Event]) -> None:
        place = self.records.cursor()
        counts = count_events(events, counts=lambda one: one.type != "impression", now=NOW)
        assert self.records.follow([], counts, after=place, cursor=type(place)(f"{place}+"))

    def unknown(self, budget: NewItemsBudget = BUDGET, *, days_ago: float = 0) -> list[str]:
        at = NOW - timedelta(days=days_ago)
        return [*asyncio.run(self.new_items.still_unknown(budget, at))]


def no_posterior(*, other_than: int = 0) -> StoredPosterior | None:
    return None


def impressions(item_id: str, times: int, *, type_: str = "impression") -> list[Event]:
    at = NOW - timedelta(hours=1)
    return [event(number, item_id=item_id, type_=type_, at=at) for number in range(times)]


def test_items_are_new_for_some_days(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for number, days in enumerate((0.5, 6.9, 7.1, 30)):
        shop.add(f"i{number}", days=days)
    shop.add("hidden", days=1, hidden=True)
    assert shop.unknown() == ["i0", "i1"]
    assert shop.unknown(replace(BUDGET, days=28)) == ["i0", "i1", "i2"]
    assert shop.unknown(days_ago=6) == ["i1", "i2"], "what came later is not known yet"


def test_an_item_is_known_after_its_impressions(tmp_path: Path) -> None:
    """Other events count too: a shop may send no impressions."""
    shop = Shop(tmp_path)
    for item_id in ("shown", "seldom", "clicked", "both"):
        shop.add(item_id, days=1)
    shop.count(
        [
            *impressions("shown", 3),
            *impressions("seldom", 2),
            *impressions("clicked", 3, type_="click"),
        ]
    )
    shop.count([*impressions("both", 2), *impressions("both", 1, type_="view")])
    assert shop.unknown() == ["seldom"]
    assert {*shop.unknown(replace(BUDGET, impressions=4))} == {"shown", "seldom", "clicked", "both"}


def test_an_item_is_doubted_less_the_more_it_was_shown(tmp_path: Path) -> None:
    """The model gets the doubts about the new items; without one it gets none."""
    shop = Shop(tmp_path)
    for item_id in ("unseen", "shown"):
        shop.add(item_id, days=1)
    shop.count(impressions("shown", 30))
    sources = PolicySources(new_items=shop.new_items, posteriors=Posteriors(no_posterior))
    budget = replace(BUDGET, impressions=100, doubt=3.0)
    policy = PlacementPolicy(name="greedy", new_items=budget)
    asked = asyncio.run(propensity_question(policy, sources, NOW)).new_items
    assert asked is not None
    assert asked.doubts is not None
    doubts = dict(zip(asked.ids, asked.doubts, strict=True))
    assert doubts == pytest.approx({"unseen": 3.0, "shown": 3 / 2**0.5})
    plain = replace(policy, new_items=replace(budget, doubt=None))
    asked = asyncio.run(propensity_question(plain, sources, NOW)).new_items
    assert msgspec.to_builtins(asked).keys() == {"share", "ids"}, "as an older release knows it"


def test_the_counts_are_read_again_after_a_minute(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.add("a", days=1)
    assert shop.unknown() == ["a"]
    shop.count(impressions("a", 3))
    assert shop.unknown() == ["a"]
    shop.now_s += MAX_AGE_S + 1
    assert shop.unknown() == []


def test_a_shop_without_new_items_has_none(tmp_path: Path) -> None:
    assert Shop(tmp_path).unknown() == []
