"""The posterior is learned from the log: what it counts, restarts, gaps, trimming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cron.cycle.retention import trim_log
from cron.errors import LeaseLost
from cron.ledger import lease_row, placement_rows, posterior_rows
from cron.lineage import Lease
from cron.placement import Placement, parse_placement
from cron.posterior.learner import PosteriorLearner
from cron.settings.tree import RewardSettings, Settings
from cron.slates import slate_tables
from cron.wiring import open_item_records
from recommender.records.event_details import EventDetails
from recommender.records.events import Event
from recommender.records.slates import Slate
from recommender.requests.reward_evidence import SUMS
from tests.component.house import House
from tests.contracts.records import event, slate

THOMPSON = parse_placement({"policy": {"name": "thompson"}})


@dataclass(slots=True, kw_only=True)
class Learner:
    """A learner of a house, and its lists, which are as new as the house's clock."""

    house: House
    settings: Settings
    worker: PosteriorLearner = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        house = self.house
        self.worker = PosteriorLearner(self.settings, house.ledger, house.log, house.journal.slates)

    def update(self, lease: Lease | None = None) -> bool:
        return self.worker.update(lease or self.house.lease)

    def show(self, *list_ids: str, items: Sequence[str] = ("a", "b")) -> None:
        made = replace(slate(1), propensities=(1.0,) * len(items), items=tuple(items))
        scores = tuple(float(-place) for place in range(len(items)))
        now = self.house.ledger.now()
        self.house.log.append(
            [replace(made, event_id=one, at=now, scores=scores, user_id="ann") for one in list_ids]
        )

    def click(self, list_id: str, item_id: str) -> None:
        details = EventDetails(recommendation_id=list_id)
        self.house.log.append(
            [
                Event(
                    event_id=f"{list_id}-{item_id}",
                    user_id="ann",
                    item_id=item_id,
                    type="click",
                    at=self.house.ledger.now(),
                    details=details,
                )
            ]
        )

    def sums(self, item_id: str, name: str) -> float:
        stored = posterior_rows.newest(self.house.ledger)
        assert stored is not None
        values_ES = np.frombuffer(stored.evidence.sums, "<f4").reshape(-1, len(SUMS))
        return float(values_ES[stored.evidence.ids.index(item_id), SUMS.index(name)])

    def version(self) -> int:
        stored = posterior_rows.newest(self.house.ledger)
        return 0 if stored is None else stored.state.version


def settings(placement: Placement | None = THOMPSON) -> Settings:
    placements = {} if placement is None else {"home": placement}
    return Settings(placements=placements, reward=RewardSettings(window_s=3_600.0))


@pytest.fixture
def learner(house: House) -> Learner:
    return Learner(house=house, settings=settings())


def test_impressions_and_rewards_are_counted_once(learner: Learner) -> None:
    learner.show("l1", "l2")
    learner.click("l1", "a")
    assert learner.update()
    assert learner.sums("a", "n") == pytest.approx(2, rel=1e-4)
    assert learner.sums("a", "r") == pytest.approx(1, rel=1e-4)
    assert learner.sums("b", "s") == pytest.approx(-1, rel=1e-4)
    assert not learner.update(), "nothing is new"
    learner.click("l2", "b")
    assert learner.update()
    assert learner.version() == 2
    assert learner.sums("b", "r") == pytest.approx(1, rel=1e-4)


def test_a_restart_goes_on_with_the_open_lists(learner: Learner) -> None:
    """Whether the journal has collected them or not; nothing is counted twice."""
    learner.show("l1")
    learner.update()
    learner.house.collect()
    learner.show("l2")
    learner.update()
    learner.show("l3")
    learner.house.collect()
    learner.restart()
    for list_id in ("l1", "l2", "l3"):
        learner.click(list_id, "a")
    assert learner.update()
    assert learner.sums("a", "n") == pytest.approx(3, rel=1e-4)
    assert learner.sums("a", "r") == pytest.approx(3, rel=1e-4)
    stored = posterior_rows.newest(learner.house.ledger)
    assert stored is not None
    assert (stored.state.num_lists, stored.state.num_rewards) == (3, 3)


def test_nothing_is_read_while_no_placement_learns(house: House) -> None:
    learner = Learner(house=house, settings=settings(None))
    learner.show("l1")
    assert not learner.update()
    assert learner.version() == 0
    placement_rows.change(house.ledger, "home", THOMPSON, by="test")
    assert learner.update()
    assert learner.sums("a", "n") == pytest.approx(1, rel=1e-4)


def test_a_trimmed_log_costs_evidence_and_nothing_else(learner: Learner) -> None:
    learner.show("l1")
    learner.update()
    learner.show("l2")
    learner.house.collect()
    learner.house.log.trim(learner.house.journal.log_cursor)
    learner.show("l3")
    assert learner.update()
    assert learner.sums("a", "n") == pytest.approx(2, rel=1e-4)


def test_the_log_is_kept_until_it_is_learned(learner: Learner, tmp_path: Path) -> None:
    """As long as somebody learns: what nobody has read for a minute is trimmed."""
    house = learner.house
    learner.show("l1")
    learner.update()
    learner.show("l2")
    house.collect()
    house.histories.append((), cursor=house.journal.log_cursor)
    items = open_item_records(f"sqlite:///{tmp_path}/others.db")
    trim_log(house.log, house.ledger, house.histories, items)
    learner.restart()
    learner.update()
    assert learner.sums("a", "n") == pytest.approx(2, rel=1e-4)
    now = house.ledger.now()
    assert posterior_rows.cursor_since(house.ledger, now + timedelta(minutes=1)) is None


def test_a_worker_without_the_lease_stores_nothing(learner: Learner) -> None:
    learner.show("l1")
    taken = lease_row.acquire(
        learner.house.ledger, "other", 60, learner.house.ledger.now() + timedelta(hours=1)
    )
    assert taken is not None
    with pytest.raises(LeaseLost):
        learner.update()
    assert learner.version() == 0
    assert learner.update(taken)
    assert learner.sums("a", "n") == pytest.approx(1, rel=1e-4)


def test_events_without_rewards_change_no_posterior(learner: Learner) -> None:
    learner.show("l1")
    learner.update()
    learner.house.log.append([event(1), event(2)])
    assert not learner.update()
    stored = posterior_rows.newest(learner.house.ledger)
    assert stored is not None
    assert stored.cursor == learner.house.log.read(stored.cursor, 1).cursor, "it was read"


def test_files_from_before_there_were_scores_are_read(tmp_path: Path) -> None:
    old: Slate = replace(slate(1), scores=None)
    path = tmp_path / "old.parquet"
    pq.write_table(slate_tables.table_of([old]).drop_columns(["scores"]), path)
    assert slate_tables.slates_of(slate_tables.read(path)) == [old]
    assert slate_tables.read(path, ["items", "scores"])["scores"].to_pylist() == [None]
