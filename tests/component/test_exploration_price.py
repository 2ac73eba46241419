"""What exploring costs, from slates and events to the status."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cron.cycle.exploration import (
    EVERY,
    FEW_SLATES,
    WHILE_FEW,
    exploration_prices,
    measure_exploration,
)
from cron.experiments.exploration_price import ExplorationPrice, PlacementPrice
from cron.journal.journal import Journal
from cron.ledger import exploration_rows, schema
from cron.ledger.ledger import Ledger
from cron.metrics.overview import look_at_ledger, to_json
from cron.settings.tree import RewardSettings
from recommender.records.events import Record
from recommender.records.slates import Slate
from tests.component.house import HookedArtifacts, House
from tests.contracts.records import event, slate

REWARD = RewardSettings()


def visits(house: House, num_users: int) -> list[Record | Slate]:
    """Serve each user a list of a greedy and an explored item, and let some of them click."""
    at = house.ledger.now() - timedelta(hours=2)
    records: list[Record | Slate] = []
    for number in range(num_users):
        user = f"user-{number}"
        items, propensities = ("best", "other"), (1.0, 0.08 if number % 12 == 0 else 0.92)
        shown = replace(slate(number), user_id=user, at=at, policy="epsilon", items=items)
        records.append(replace(shown, propensities=propensities, scores=None))
        if number % 3 == 0:
            done = event(number, user_id=user, item_id="best", type_="click")
            records.append(replace(done, at=at + timedelta(seconds=9)))
    greedy = replace(slate(9_000), user_id="greedy", at=at, propensities=(None, 1.0, 1.0))
    drafted = replace(greedy, event_id="s9001", policy="interleaved", propensities=(None,) * 3)
    visitor = replace(records_slate(records), event_id="s9002", user_id=None)
    return [*records, greedy, drafted, visitor]


def records_slate(records: list[Record | Slate]) -> Slate:
    return next(one for one in records if isinstance(one, Slate))


def prices(house: House) -> list[PlacementPrice]:
    now = house.ledger.now()
    return exploration_prices(house.journal, REWARD, now=now, lease=house.lease)


def test_the_price_is_measured_by_placement_and_policy(house: House) -> None:
    house.log.append(visits(house, 400))
    house.collect()
    (found,) = prices(house)
    assert (found.placement, found.policy) == ("home", "epsilon")
    assert (found.price.num_slates, found.price.num_items) == (400, 800)
    assert found.price.moved_share == pytest.approx(34 / 800)
    assert found.price.earned == pytest.approx(134 / 400)
    assert found.price.given_up is not None


def test_the_price_of_any_policy_is_read_from_the_ranks(house: House) -> None:
    """Lists of earlier releases, which lack them, are left out as soon as there are others."""
    served = [one for one in visits(house, 60)[:-3] if isinstance(one, Slate)]
    records = [replace(one, policy="thompson", propensities=(0.99, 0.9)) for one in served]
    house.log.append(records)
    house.collect()
    (old,) = prices(house)
    assert (old.price.num_slates, old.price.moved_share) == (60, None)
    assert "do not say which items greedy ones would have" in (old.price.why_unknown or "")
    newer = [replace(one, event_id=f"{one.event_id}-new") for one in records[:6]]
    house.log.append([replace(one, greedy_ranks=(1, 0)) for one in newer])
    house.collect()
    (new,) = prices(house)
    assert new.price.num_slates == 6
    assert new.price.moved_share == 0.5
    assert new.price.why_unknown is not None


def measured_at(house: House, at: datetime) -> PlacementPrice:
    ledger = Ledger(house.ledger.engine, now=[at].__iter__().__next__)
    measure_exploration(ledger, house.journal, REWARD, house.lease)
    (found,) = exploration_rows.every(house.ledger)
    return found


def test_the_price_is_measured_once_an_hour(house: House) -> None:
    house.log.append(visits(house, FEW_SLATES))
    house.collect()
    now = house.ledger.now()
    assert measured_at(house, now).measured_at == now
    assert measured_at(house, now + EVERY / 2).measured_at == now
    assert measured_at(house, now + EVERY).measured_at == now + EVERY


def test_a_shop_that_begins_to_explore_need_not_wait(house: House) -> None:
    house.log.append(visits(house, 10))
    house.collect()
    now = house.ledger.now()
    assert measured_at(house, now).price.num_slates == 10
    more = replace(records_slate(visits(house, 1)), event_id="s-more")
    house.log.append([more])
    house.collect()
    assert measured_at(house, now + WHILE_FEW / 2).price.num_slates == 10
    assert measured_at(house, now + WHILE_FEW).price.num_slates == 11


def test_where_nothing_explores_no_list_is_read(house: House, tmp_path: Path) -> None:
    fetched: list[str] = []
    artifacts = HookedArtifacts(house.artifacts, after_fetch=fetched.append)
    journal = Journal(house.ledger, artifacts, tmp_path / "other")
    greedy = replace(records_slate(visits(house, 1)), propensities=(1.0, 1.0))
    house.log.append([greedy])
    house.collect()
    now = house.ledger.now()
    measure_exploration(house.ledger, journal, REWARD, house.lease)
    assert fetched == []
    measured = exploration_rows.measured_at(house.ledger)
    assert measured is not None
    assert measured >= now
    assert exploration_rows.every(house.ledger) == ()


def test_a_second_turn_reads_no_list(house: House, tmp_path: Path) -> None:
    """Segments of an earlier release, whose lists nobody counted, are read once."""
    fetched: list[str] = []
    artifacts = HookedArtifacts(house.artifacts, after_fetch=fetched.append)
    journal = Journal(house.ledger, artifacts, tmp_path / "other")
    greedy = replace(records_slate(visits(house, 1)), propensities=(1.0, 1.0))
    house.log.append([greedy])
    house.collect()
    with house.ledger.write(house.lease) as connection:
        connection.execute(schema.slate_segments.update().values(explored=None))
    for _ in range(2):
        measure_exploration(house.ledger, journal, REWARD, house.lease)
    assert len(fetched) == 1
    shutil.rmtree(tmp_path / "other" / "slates")
    assert prices(replace(house, journal=journal)) == []
    assert len(fetched) == 1


def test_the_status_has_the_price(house: House) -> None:
    price = ExplorationPrice(num_slates=9, num_items=90, moved_share=0.05, earned=1.5)
    now = house.ledger.now()
    stored = PlacementPrice(placement=None, policy="epsilon", measured_at=now, price=price)
    exploration_rows.replace_all(house.ledger, [stored], at=now, lease=house.lease)
    overview = look_at_ledger(house.ledger, now=now)
    assert overview.exploration == (stored,)
    shown = to_json(overview)["exploration"]
    assert isinstance(shown, list)
    assert (shown[0]["placement"], shown[0]["moved_share"]) == (None, 0.05)
