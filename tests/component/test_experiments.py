"""Experiments from their lists and events to a verdict: measured, stopped, repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cron.cycle.experiments import RETENTION, STATISTICS, is_due, measure_experiments
from cron.experiment import parse_draft
from cron.ledger import experiment_rows
from cron.ledger.experiment_rows import AnswerCounts, MeasuredArms
from cron.serving.experiment_reports import ExperimentReport, report_on
from cron.settings.tree import RewardSettings
from recommender.records.event_details import EventDetails
from recommender.records.events import Event, Record
from recommender.records.slates import Slate
from tests.component.house import House
from tests.contracts.records import event, slate

ARMS = [{"name": "a"}, {"name": "b", "rules": {"diversity": 0.3}}]


KEPT, REWARD = timedelta(days=35), RewardSettings()


def start(house: House, **fields: object) -> datetime:
    draft = parse_draft({"placement": "home", "arms": ARMS, **fields})
    return experiment_rows.start(house.ledger, "try", draft, by="ann").started_at


def list_for(number: int, arm: str, at: datetime, *, fallback: bool = False) -> Slate:
    return replace(
        slate(number), user_id=f"user-{number}", arm=f"try/{arm}", at=at, fallback=fallback
    )


def purchase(number: int, user: int, at: datetime, *, value: float | None = None) -> Event:
    details = None if value is None else EventDetails(value=value)
    return replace(event(number), user_id=f"user-{user}", type="purchase", at=at, details=details)


def measure(
    house: House, records: Sequence[Record | Slate], *, keep: timedelta = KEPT
) -> ExperimentReport:
    house.log.append(records)
    house.collect()
    measure_experiments(house.ledger, house.journal, REWARD, house.lease, keep=keep)
    return report_on(house.ledger, experiment_rows.one(house.ledger, "try"))


def visitors(at: datetime, *, rates: dict[str, int], num_users: int = 400) -> list[Record | Slate]:
    """Serve users in turn in both arms; of ten users of an arm, some buy."""
    records: list[Record | Slate] = []
    for number in range(num_users):
        arm = "ab"[number % 2]
        records.append(list_for(number, arm, at))
        if number // 2 % 10 < rates[arm]:
            records.append(purchase(10_000 + number, number, at + timedelta(seconds=1)))
    return records


def test_an_experiment_without_visitors_is_undecided(house: House) -> None:
    start(house)
    report = measure(house, [])
    assert report.outcome is not None
    assert report.outcome.state == "undecided"
    assert [arm.num_users for arm in report.arms] == [0, 0]


def test_a_better_arm_ends_the_experiment(house: House) -> None:
    at = start(house, effect=0.5)
    report = measure(house, visitors(at, rates={"a": 2, "b": 7}))
    assert report.outcome is not None
    assert (report.outcome.state, report.outcome.winner) == ("decided", "b")
    end = report.experiment.end
    assert end is not None
    assert (end.by, end.why, end.winner) == (STATISTICS, "b is better", "b")
    assert [arm.num_users for arm in report.arms] == [200, 200]
    assert [arm.reward for arm in report.arms] == [0.2, 0.7]
    assert experiment_rows.running(house.ledger) == ()


def test_a_stopped_experiment_is_measured_once_more(house: House) -> None:
    """What visitors did between the last measurement and the stop is not missing in the end."""
    at = start(house)
    few = visitors(at, rates={"a": 3, "b": 3}, num_users=200)
    assert [arm.num_users for arm in measure(house, few).arms] == [100, 100]
    experiment_rows.stop(house.ledger, "try", by="ann", why="enough", winner=None)
    more = visitors(at, rates={"a": 3, "b": 3}, num_users=400)[len(few) :]
    report = measure(house, more)
    assert [arm.num_users for arm in report.arms] == [200, 200]
    last = report.measured_at
    assert measure(house, []).measured_at == last
    end = report.experiment.end
    assert end is not None
    assert end.by == "ann"


def test_equal_arms_go_on(house: House) -> None:
    at = start(house)
    report = measure(house, visitors(at, rates={"a": 3, "b": 3}))
    assert report.experiment.is_running
    (comparison,) = report.outcome.comparisons if report.outcome is not None else ()
    assert comparison.interval.has(0.0)


def test_lost_visitors_stop_the_experiment(house: House) -> None:
    """A shop whose page fails for one arm loses its visitors, and every rate is then wrong."""
    at = start(house)
    found = visitors(at, rates={"a": 3, "b": 3}, num_users=2_000)
    kept = [
        one for one in found if not (isinstance(one, Slate) and one.arm == "try/b") or _is_kept(one)
    ]
    report = measure(house, kept)
    assert report.outcome is not None
    assert report.outcome.state == "broken"
    assert not report.experiment.is_running


def test_only_what_came_after_the_first_list_is_a_reward(house: House) -> None:
    at = start(house, reward={"purchase": 2})
    day = timedelta(days=1)
    report = measure(
        house,
        [
            list_for(1, "a", at + timedelta(hours=1)),
            purchase(1, 1, at + timedelta(minutes=30)),
            purchase(2, 1, at - 3 * day),
            purchase(3, 1, at + timedelta(hours=2), value=9.5),
            replace(event(4), user_id="user-1", type="view", at=at + timedelta(hours=3)),
            purchase(5, 99, at + timedelta(hours=3)),
        ],
    )
    measured = experiment_rows.measured_arms(house.ledger, "try")
    assert measured is not None
    sums = measured.arms[0].reward
    assert (sums.num_users, sums.r) == (1, 2.0)
    assert sums.b == 2 * 2 / 14  # two purchases in the two weeks before, a day of exposure
    assert measured.arms[0].guardrails["revenue"].r == 9.5
    assert report.arms[1].num_users == 0


def test_a_repeated_measurement_counts_nothing_twice(house: House) -> None:
    at = start(house)
    records = visitors(at, rates={"a": 3, "b": 4}, num_users=40)
    once = measure(house, records)
    again = measure(house, records)
    assert [arm.num_users for arm in again.arms] == [arm.num_users for arm in once.arms]
    assert again.arms == once.arms


def test_slow_answers_of_an_arm_are_harm(house: House) -> None:
    at = start(house, effect=0.5)
    fast = AnswerCounts(num_answers=500, seconds=10.0, seconds_2=0.25)
    slow = AnswerCounts(num_answers=500, seconds=20.0, seconds_2=1.0)
    experiment_rows.add_answers(house.ledger, {("try", "a"): fast, ("try", "b"): slow})
    report = measure(house, visitors(at, rates={"a": 2, "b": 7}))
    assert report.outcome is not None
    assert report.outcome.reason == "b is harmful (latency)"
    assert report.outcome.winner == "a"
    assert [arm.mean_ms for arm in report.arms] == [20.0, 40.0]


def test_an_experiment_ends_before_its_slates_are_deleted(house: House) -> None:
    """Its first users would be missing afterwards, and others would seem to have come later."""
    at = start(house)
    report = measure(house, visitors(at, rates={"a": 3, "b": 3}), keep=timedelta(0))
    end = report.experiment.end
    assert end is not None
    assert (end.by, end.winner) == (RETENTION, None)
    assert end.why == "it has run for as long as slates are kept (b is undecided)"
    assert [arm.num_users for arm in report.arms] == [200, 200]


def test_a_long_measurement_is_not_repeated_at_once() -> None:
    """It reads everything since the start, which must not take the worker's whole time."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    long = MeasuredArms(at=at, seconds=60.0, arms=(), explored={})
    assert not is_due(long, at + timedelta(minutes=19))
    assert is_due(long, at + timedelta(minutes=20))
    assert is_due(long, at - timedelta(seconds=1))
    assert is_due(replace(long, seconds=1.0), at)
    assert is_due(None, at)


def _is_kept(one: Slate) -> bool:
    return int(str(one.user_id).removeprefix("user-")) % 4 == 1


def test_a_busy_shop_is_not_measured_at_every_turn(house: House) -> None:
    start(house)
    measure(house, [])
    house.log.append(visitors(house.ledger.now(), rates={"a": 3, "b": 3}, num_users=10))
    house.collect()
    for min_age_s, num_users in ((60.0, 0), (0.0, 5)):
        measure_experiments(
            house.ledger, house.journal, REWARD, house.lease, keep=KEPT, min_age_s=min_age_s
        )
        report = report_on(house.ledger, experiment_rows.one(house.ledger, "try"))
        assert report.arms[0].num_users == num_users
