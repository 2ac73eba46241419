"""Measuring reads what is new; the sums are as if all had been read at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cron.experiment import Experiment, parse_draft
from cron.experiments.user_sums import UserSums
from cron.ledger import experiment_day_rows, experiment_rows
from cron.ledger.experiment_rows import MeasuredArms
from cron.ledger.forgotten import keys_of
from cron.ledger.ledger import Ledger
from cron.settings.tree import RewardSettings
from cron.visitor_days.measure import forget_visitors, measure
from recommender.records.event_details import EventDetails
from recommender.records.events import Record
from recommender.records.slates import Slate
from tests.component.house import House
from tests.contracts.records import event, slate

START = datetime(2026, 3, 1, 20, tzinfo=UTC)
ARMS = [{"name": "a"}, {"name": "b", "rules": {"diversity": 0.3}}]
REWARD = RewardSettings()
Records = Sequence[Record | Slate]


def at_clock(house: House, at: datetime) -> Ledger:
    """Return the ledger with a clock that stands at a time."""
    return Ledger(house.ledger.engine, now=lambda: at)


def start(house: House, **fields: object) -> Experiment:
    draft = parse_draft({"arms": ARMS, **fields})
    return experiment_rows.start(at_clock(house, START), "try", draft, by="ann")


def measured_after(
    house: House, experiment: Experiment, records: Records, at: datetime
) -> MeasuredArms:
    house.log.append(records)
    house.collect()
    return measure(house.journal, at_clock(house, at), experiment, REWARD, house.lease)


def measured_at_once(house: House, experiment: Experiment, at: datetime) -> MeasuredArms:
    """Measure as if it was the first time."""
    with house.ledger.write() as connection:
        experiment_day_rows.delete_of(connection, experiment.name)
    experiment_day_rows.note_through(
        house.ledger, experiment.name, experiment.after_seq, lease=house.lease
    )
    return measure(house.journal, at_clock(house, at), experiment, REWARD, house.lease)


def visits(draw: random.Random, *, is_interleaved: bool) -> list[Record | Slate]:
    """Return what 30 visitors are served in four days, and what they do then."""
    records: list[Record | Slate] = []
    for number in range(150):
        user = f"user-{draw.randrange(30)}"
        at = START + timedelta(seconds=draw.randrange(4 * 86_400))
        arm = "ab"[int(user.removeprefix("user-")) % 2]
        shown = replace(slate(number), user_id=user, at=at, items=("x", f"i{number % 7}", "y"))
        if is_interleaved:
            teams = ("a", "b", "a") if draw.random() < 0.5 else ("b", "a", None)
            shown = replace(shown, arm="try", teams=teams)
        else:
            shown = replace(shown, arm=f"try/{arm}", fallback=draw.random() < 0.1)
        if draw.random() < 0.2:
            shown = replace(shown, arm=None, teams=None)
        records.append(shown)
        for place in range(draw.randrange(3)):
            names = EventDetails(
                value=draw.choice([None, 3.5]),
                recommendation_id=draw.choice([None, shown.event_id]),
            )
            done = event(number * 10 + place, user_id=user, item_id=draw.choice(shown.items))
            later = at + timedelta(seconds=draw.randrange(-4_000, 100_000))
            records.append(replace(done, type="purchase", at=later, details=names))
    return records


def same(one: MeasuredArms, other: MeasuredArms) -> None:
    """Compare everything but coverage, whose most shown items are those of the time."""
    assert one.explored == pytest.approx(dict(other.explored))
    pairs: list[tuple[UserSums | None, UserSums | None]] = [(one.preference, other.preference)]
    for arm, again in zip(one.arms, other.arms, strict=True):
        pairs.append((arm.reward, again.reward))
        pairs += [
            (arm.guardrails[name], again.guardrails[name])
            for name in ("fallbacks", "revenue")
            if name in arm.guardrails
        ]
    for found, expected in pairs:
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            for name in UserSums.__dataclass_fields__:
                assert getattr(found, name) == pytest.approx(getattr(expected, name)), name


@pytest.mark.parametrize("kind", ["ab", "interleaving"])
@pytest.mark.parametrize("seed", [1, 2])
def test_late_arrivals_count_as_if_in_time(house: House, kind: str, seed: int) -> None:
    draw = random.Random(seed)
    experiment = start(house, kind=kind)
    records = visits(draw, is_interleaved=kind == "interleaving")
    draw.shuffle(records)
    end = START + timedelta(days=6)
    for first in range(0, len(records), 60):
        found = measured_after(house, experiment, records[first : first + 60], end)
    assert found.arms[0].reward.num_users > 5
    assert found.arms[0].reward.r > 0
    same(found, measured_at_once(house, experiment, end))


def test_a_repeated_measurement_reads_nothing_again(house: House) -> None:
    experiment = start(house)
    records = visits(random.Random(3), is_interleaved=False)
    end = START + timedelta(days=6)
    measured_after(house, experiment, records, end)
    marked = experiment_day_rows.VisitorDay(visitor_key="nobody", day=0, arm="a", first_us=1)
    experiment_day_rows.replace_rows(house.ledger, "try", ["nobody"], [marked], lease=house.lease)
    again = measured_after(house, experiment, [], end)
    assert again.arms[0].reward.num_users == 16  # rows that were not read from slates stay


def test_a_click_is_credited_to_the_arm_that_picked_the_item(house: House) -> None:
    experiment = start(house, kind="interleaving", reward={"click": 2})
    shown = replace(
        slate(1),
        user_id="ann",
        at=START + timedelta(hours=1),
        items=("p", "x", "y"),
        arm="try",
        teams=(None, "b", "a"),
    )
    clicks = [
        event(number, user_id="ann", item_id=item, type_="click", at=START + timedelta(hours=2))
        for number, item in enumerate(["p", "x", "other"])
    ]
    found = measured_after(house, experiment, [shown, *clicks], START + timedelta(hours=3))
    assert [arm.reward.r for arm in found.arms] == [0.0, 2.0]
    assert found.preference is not None
    assert (found.preference.num_users, found.preference.r, found.preference.n) == (1, 2.0, 1.0)


def test_a_session_is_a_visitor_like_a_user(house: House) -> None:
    experiment = start(house)
    shown = replace(
        slate(1), user_id=None, session_id="s-1", arm="try/b", at=START + timedelta(hours=1)
    )
    bought = event(1, user_id="s-1", type_="purchase", at=START + timedelta(hours=2))
    found = measured_after(house, experiment, [shown, bought], START + timedelta(hours=3))
    assert [arm.reward.num_users for arm in found.arms] == [0, 1]
    assert found.arms[1].reward.r == 1.0


def test_a_forgotten_user_leaves_the_sums_of_an_ended_experiment(house: House) -> None:
    experiment = start(house)
    at = START + timedelta(hours=1)
    records: list[Record | Slate] = []
    for number, user in enumerate(["ann", "bob"]):
        records.append(replace(slate(number), user_id=user, arm="try/a", at=at))
        records.append(event(number, user_id=user, type_="purchase", at=at + timedelta(hours=1)))
    measured = measured_after(house, experiment, records, START + timedelta(hours=3))
    assert measured.arms[0].reward.r == 2.0
    experiment_rows.store_measured(house.ledger, "try", measured)
    experiment_rows.stop(house.ledger, "try", by="ann", why="enough", winner=None)
    key = keys_of(house.ledger).of_user("ann")
    forget_visitors(house.ledger, [key], lease=house.lease)
    left = experiment_rows.measured_arms(house.ledger, "try")
    assert left is not None
    assert (left.arms[0].reward.num_users, left.arms[0].reward.r) == (1, 1.0)
    assert left.at == measured.at
    assert experiment_day_rows.rows_of(house.ledger, "try", [key]) == []


def test_sums_stay_when_the_rows_of_visitors_are_deleted(house: House) -> None:
    experiment = start(house)
    shown = replace(slate(1), user_id="ann", arm="try/a", at=START + timedelta(hours=1))
    measured = measured_after(house, experiment, [shown], START + timedelta(hours=3))
    experiment_rows.store_measured(house.ledger, "try", measured)
    experiment_rows.stop(at_clock(house, START), "try", by="ann", why="enough", winner=None)
    key = keys_of(house.ledger).of_user("ann")
    for before, num_rows in ((START, 1), (START + timedelta(days=1), 0)):
        experiment_day_rows.delete_unneeded(house.ledger, ended_before=before, lease=house.lease)
        assert len(experiment_day_rows.rows_of(house.ledger, "try", [key])) == num_rows
    assert experiment_rows.measured_arms(house.ledger, "try") == measured
