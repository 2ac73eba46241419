"""A snapshot's slates: which lists are in it, with which rewards, and a training on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

from cron.ports import Cursor
from cron.settings.tree import RewardSettings
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.snapshot import build_snapshot
from recommender.records.slates import Slate
from tests.component.house import House
from tests.component.snapshots import EVENTS, PANEL, REQUEST, USERS, WHOLE
from tests.component.training import report, train
from tests.contracts.records import slate
from trainer.config import PolicyGradientConfig, TrainConfig

ASKED = replace(REQUEST, mode="full", target_range=(101, 600), reward=RewardSettings())
MEMBER = next(user_id for user_id in USERS if not WHOLE.holds(user_id))


def list_of_choice(number: int, **changes: object) -> Slate:
    """Return the list that an event is chosen from: a pin, the event's item, and another."""
    chosen = EVENTS[number - 1]
    one = replace(
        slate(number, user_id=chosen.user_id, at=chosen.at - timedelta(milliseconds=1)),
        items=("pinned", chosen.item_id, "never chosen"),
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def fill(house: House, slates: list[Slate]) -> None:
    house.journal.accept(EVENTS, Cursor("0"), house.lease, slates=slates)


def rows_of(house: House, folder: Path, asked: SnapshotRequest = ASKED) -> list[dict[str, object]]:
    build_snapshot(house.journal, asked, folder)
    rows: list[dict[str, object]] = pq.read_table(folder / "slates.parquet").to_pylist()
    return rows


def test_the_items_of_a_list_are_rows_with_rewards(house: House, tmp_path: Path) -> None:
    number = next(number for number in range(200, 300) if EVENTS[number - 1].user_id == MEMBER)
    fill(house, [list_of_choice(number)])
    assert [
        (row["position"], row["item_id"], row["propensity"], row["reward"], row["version"])
        for row in rows_of(house, tmp_path / "snapshot")
    ] == [
        (0, "pinned", None, 0.0, number),
        (1, EVENTS[number - 1].item_id, 0.25, 1.0, number),
        (2, "never chosen", 1.0, 0.0, number),
    ]


def test_lists_that_teach_nothing_are_left_out(house: House, tmp_path: Path) -> None:
    """Those of the panel, fallbacks, of nobody, and from before or after the target events."""
    fill(house, [list_of_choice(number) for number in range(1, 601)])
    number = next(number for number in range(200, 300) if EVENTS[number - 1].user_id == MEMBER)
    left_out = [
        list_of_choice(number, event_id="fallback", fallback=True),
        list_of_choice(number, event_id="nobody", user_id=None),
    ]
    house.journal.accept([], Cursor("1"), house.lease, slates=left_out)
    rows = rows_of(house, tmp_path / "snapshot")
    assert {row["user_id"] for row in rows} == set(USERS) - PANEL
    numbers = {int(str(row["recommendation_id"])[1:]) for row in rows}
    assert min(numbers) in range(101, 112)
    assert max(numbers) in range(590, 600)


def test_slates_are_only_written_for_rewards(house: House, tmp_path: Path) -> None:
    fill(house, [list_of_choice(number) for number in range(1, 601)])
    build_snapshot(house.journal, replace(ASKED, reward=None), tmp_path / "snapshot")
    assert not (tmp_path / "snapshot" / "slates.parquet").exists()


def test_another_reward_is_another_snapshot(house: House, tmp_path: Path) -> None:
    fill(house, [list_of_choice(number) for number in range(1, 601)])
    one = build_snapshot(house.journal, ASKED, tmp_path / "snapshot")
    worth_two = RewardSettings(weights={EVENTS[0].type: 2.0})
    other = build_snapshot(house.journal, replace(ASKED, reward=worth_two), tmp_path / "snapshot")
    again = build_snapshot(house.journal, ASKED, tmp_path / "again")
    assert one.num_slates == other.num_slates > 0
    assert again.data_digest == one.data_digest != other.data_digest


def test_the_trainer_learns_from_a_journals_lists(
    house: House, tmp_path: Path, config: TrainConfig
) -> None:
    fill(house, [list_of_choice(number) for number in range(1, 601)])
    info = build_snapshot(house.journal, ASKED, tmp_path / "snapshot")
    learning = PolicyGradientConfig(weight=1.0, list_size=3, min_effective_size=5.0)
    candidate = train(
        tmp_path,
        tmp_path / "snapshot",
        replace(config, full_epochs=2, policy_gradient=learning),
    )
    learned = report(candidate).policy_gradient
    assert learned is not None
    assert learned.num_slates == info.num_slates
    assert 0 < learned.num_learned <= info.num_slates
    assert learned.num_epochs == 2
