"""Which turn comes next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cron.cycle.plan import PlanState, Skip, Turn, backoff, decide
from cron.cycle.staleness import RetrainCost, Staleness
from cron.lineage import Hold
from cron.settings.worker_settings import WorkerSettings
from tests.releases import manifest

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SETTINGS = WorkerSettings(
    min_events=500, max_refusals=3, refusal_backoff_s=100, full_every_s=86_400
)
QUIET = PlanState(
    now=NOW,
    live=manifest(4, mode="update", parent=3),
    hold=None,
    num_new_events=0,
    num_new_items=0,
    num_refusals=0,
    num_unpublished=0,
    last_ended_at=None,
    last_full_at=NOW - timedelta(hours=1),
)


def chosen_turn(**changes: object) -> str:
    turn = decide(replace(QUIET, **changes), SETTINGS)  # type: ignore[arg-type]
    return turn.mode if isinstance(turn, Turn) else f"skip: {turn.reason.name}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "skip: too_few_events"),
        ({"num_new_events": 499}, "skip: too_few_events"),
        ({"num_new_events": 500}, "update"),
        ({"num_new_events": 500, "last_full_s": 360.0}, "full"),
        ({"num_new_events": 500, "last_full_s": 361.0}, "update"),
        ({"num_new_events": 499, "last_full_s": 1.0}, "skip: too_few_events"),
        ({"num_new_events": 500, "last_full_s": 1.0, "last_full_at": NOW}, "update"),
        ({"num_new_items": 1}, "items"),
        ({"num_new_items": 1, "num_new_events": 500}, "update"),
        ({"num_new_pictures": 1}, "items"),
        ({"num_new_pictures": 1, "num_new_events": 500}, "update"),
        ({"live": manifest(0, mode="baseline"), "num_new_pictures": 1}, "baseline"),
        ({"live": None}, "skip: nothing_collected"),
        ({"live": None, "num_new_items": 3}, "baseline"),
        ({"live": None, "num_new_events": 80_000}, "baseline"),
        ({"live": manifest(0, mode="baseline"), "num_new_events": 500}, "full"),
        ({"live": manifest(0, mode="baseline"), "num_new_events": 499}, "skip: too_few_events"),
        ({"live": manifest(0, mode="baseline"), "num_new_items": 3}, "baseline"),
        ({"last_full_at": NOW - timedelta(days=1), "num_new_events": 1}, "full"),
        ({"last_full_at": NOW - timedelta(days=1)}, "skip: too_few_events"),
        ({"last_full_at": None, "num_new_events": 1}, "full"),
        ({"settings_changed": True}, "full"),
        ({"format_changed": True}, "full"),
        (
            {
                "settings_changed": True,
                "num_refusals": 1,
                "num_unpublished": 1,
                "last_ended_at": NOW,
            },
            "skip: backoff",
        ),
        ({"force_full": True}, "full"),
        (
            {"force_full": True, "num_refusals": 2, "num_unpublished": 2, "last_ended_at": NOW},
            "full",
        ),
        (
            {
                "num_refusals": 2,
                "num_unpublished": 2,
                "last_ended_at": NOW - timedelta(hours=1),
                "num_new_events": 500,
            },
            "update",
        ),
        (
            {
                "num_refusals": 3,
                "num_unpublished": 3,
                "last_ended_at": NOW - timedelta(hours=1),
                "num_new_events": 500,
            },
            "full",
        ),
        (
            {
                "num_refusals": 1,
                "num_unpublished": 1,
                "last_ended_at": NOW - timedelta(seconds=99),
                "num_new_events": 500,
            },
            "skip: backoff",
        ),
        (
            {
                "num_refusals": 1,
                "num_unpublished": 1,
                "last_ended_at": NOW - timedelta(seconds=100),
                "num_new_events": 500,
            },
            "update",
        ),
        (
            {
                "num_refusals": 2,
                "num_unpublished": 2,
                "last_ended_at": NOW - timedelta(seconds=199),
                "num_new_events": 500,
            },
            "skip: backoff",
        ),
        # a fault of the machinery delays the next run, and calls for no full retrain
        (
            {
                "num_unpublished": 9,
                "last_ended_at": NOW - timedelta(hours=1),
                "num_new_events": 500,
            },
            "update",
        ),
        (
            {
                "num_unpublished": 1,
                "last_ended_at": NOW - timedelta(seconds=99),
                "num_new_events": 500,
            },
            "skip: backoff",
        ),
        # the clock was set back since
        ({"last_full_at": NOW + timedelta(seconds=1), "num_new_events": 1}, "full"),
        ({"last_full_at": NOW + timedelta(days=400), "num_new_events": 1}, "full"),
        ({"last_full_at": NOW + timedelta(days=400)}, "skip: too_few_events"),
        (
            {
                "num_refusals": 1,
                "num_unpublished": 1,
                "last_ended_at": NOW + timedelta(seconds=1),
                "num_new_events": 500,
            },
            "update",
        ),
        (
            {
                "num_refusals": 2,
                "num_unpublished": 2,
                "last_ended_at": NOW + timedelta(days=400),
                "num_new_events": 500,
            },
            "update",
        ),
        (
            {
                "live": None,
                "num_new_items": 3,
                "num_refusals": 1,
                "num_unpublished": 1,
                "last_ended_at": NOW + timedelta(days=400),
            },
            "baseline",
        ),
        (
            {"hold": Hold(reason="x", since=NOW), "num_new_events": 900, "force_full": True},
            "skip: held",
        ),
        ({"hold": Hold(reason="x", since=NOW), "live": None, "num_new_items": 3}, "skip: held"),
        (
            {
                "live": None,
                "num_new_items": 3,
                "num_refusals": 1,
                "num_unpublished": 1,
                "last_ended_at": NOW,
            },
            "skip: backoff",
        ),
    ],
)
def test_the_next_turn(changes: dict[str, object], expected: str) -> None:
    assert chosen_turn(**changes) == expected


def test_a_skipped_turn_says_how_many_events_are_missing() -> None:
    turn = decide(replace(QUIET, num_new_events=40), SETTINGS)
    assert isinstance(turn, Skip)
    assert turn.reason.text == "not enough new events: 40 of 500"


def test_back_off_doubles_up_to_an_hour() -> None:
    assert [backoff(number, SETTINGS).total_seconds() for number in (0, 1, 2, 3, 6, 50)] == [
        0,
        100,
        200,
        400,
        3200,
        3600,
    ]


DEAR = replace(SETTINGS, budget_per_day=10.0)
OVER = replace(QUIET, spent_day=10.0, last_full_at=NOW - timedelta(days=2))


def test_full_retrains_wait_for_the_budget_and_updates_do_not() -> None:
    turn = decide(replace(OVER, num_new_events=500), DEAR)
    assert isinstance(turn, Turn)
    assert turn.mode == "update"
    assert turn.reason.text.endswith("the trainings of the last 24 hours cost 10.00 of 10.00")
    affordable = decide(replace(OVER, num_new_events=500, spent_day=9.99), DEAR)
    assert isinstance(affordable, Turn)
    assert affordable.mode == "full"


@pytest.mark.parametrize(
    "changes",
    [
        {"num_new_events": 1},
        {"num_new_events": 500, "settings_changed": True},
        {"num_new_events": 500, "format_changed": True},
        {"num_new_events": 500, "num_refusals": 3},
        {"num_new_events": 500, "live": manifest(0, mode="baseline")},
    ],
)
def test_a_turn_without_an_update_says_that_it_waits(changes: dict[str, object]) -> None:
    turn = decide(replace(OVER, **changes), DEAR)  # type: ignore[arg-type]
    assert isinstance(turn, Skip)
    assert turn.reason.name == "budget"


def test_a_person_may_ask_for_a_full_retrain_over_the_budget() -> None:
    turn = decide(replace(OVER, force_full=True), DEAR)
    assert isinstance(turn, Turn)
    assert turn.mode == "full"


BY_WORTH = replace(
    QUIET,
    staleness=Staleness(decay=2e-6, num_events=10_000),
    last_full_cost=RetrainCost(value=100.0, unit="s of a device"),
    num_new_events=500,
    last_full_s=1e-3,  # cheap, and due by the clock
    last_full_at=NOW - timedelta(days=2),
)


def test_a_full_retrain_comes_when_it_is_worth_its_cost() -> None:
    turn = decide(BY_WORTH, replace(SETTINGS, full_worth=10.0))
    assert isinstance(turn, Turn)
    assert (turn.mode, turn.reason.name) == ("full", "full_is_worth")
    assert turn.reason.text == (
        "a full retrain is worth its cost: lists are an estimated 2.0% worse 10,000 events after"
        " the last, which has lost 100 of 100 s of a device"
    )


def test_an_update_says_why_there_is_no_full_retrain() -> None:
    turn = decide(BY_WORTH, replace(SETTINGS, full_worth=9.9))
    assert isinstance(turn, Turn)
    assert turn.mode == "update"
    assert turn.reason.text.startswith("500 new events; a full retrain is not worth its cost: ")


def test_a_worthy_retrain_waits_for_the_budget() -> None:
    settings = replace(SETTINGS, full_worth=10.0, budget_per_day=1.0)
    turn = decide(replace(BY_WORTH, spent_day=2.0), settings)
    assert isinstance(turn, Turn)
    assert turn.mode == "update"
    assert "waits for the budget" in turn.reason.text


def test_what_retrains_give_is_measured_again_after_a_while() -> None:
    """An estimate of no loss would otherwise stay forever, and with it the old weights."""
    fresh = replace(BY_WORTH, staleness=Staleness(decay=0.0, num_events=10_000))
    assert chosen_mode(fresh) == "update"
    assert chosen_mode(replace(fresh, last_full_at=NOW - timedelta(days=8))) == "full"
    few = replace(fresh, last_full_at=NOW - timedelta(days=8), num_new_events=499)
    assert isinstance(decide(few, SETTINGS), Skip)


def chosen_mode(state: PlanState) -> str:
    turn = decide(state, SETTINGS)
    assert isinstance(turn, Turn)
    return turn.mode
