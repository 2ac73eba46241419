"""The verb `experiment`: what it starts, shows, stops and plans, and what it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from cron import wiring
from cron.__main__ import main
from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserTotals, sum_users
from cron.ledger import experiment_rows
from cron.ledger.experiment_rows import MeasuredArms
from cron.settings.tree import Settings

START = ["experiment", "start", "varied", "--arm", "a", "--arm", 'b={"diversity": 0.3}']


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    try:
        status = main(arguments)
    except SystemExit as error:
        status = int(str(error.code))
    return status, capsys.readouterr().err


def test_an_experiment_is_started_shown_and_stopped(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiment", "status"]) == 0
    assert "no experiment yet" in capsys.readouterr().out
    assert main([*START, "--share", "0.5", "--reward", "purchase=5"]) == 0
    assert "is running on all lists with 50% of" in capsys.readouterr().out
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "trying   varied, " in shown
    assert "so far: not measured yet" in shown
    ledger = wiring.open_ledger(settings.store.ledger)
    (running,) = experiment_rows.running(ledger)
    assert (running.name, running.draft.reward) == ("varied", {"purchase": 5.0})
    assert main(["experiment", "status", "varied"]) == 0
    assert "not measured yet" in capsys.readouterr().out
    assert main(["experiment", "stop", "varied", "--reason", "enough"]) == 0
    assert experiment_rows.running(ledger) == ()
    capsys.readouterr()
    assert main(["experiment", "status", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["why"], shown["arms"][1]["rules"]) == ("enough", {"diversity": 0.3})


def test_the_status_says_what_the_arms_did(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(START) == 0
    arms = tuple(
        ArmSums(
            name=name,
            share=0.5,
            reward=sum_users(UserTotals(reward=float(user % 10 < wins)) for user in range(500)),
        )
        for name, wins in (("a", 2), ("b", 4))
    )
    ledger = wiring.open_ledger(settings.store.ledger)
    measured = MeasuredArms(at=datetime(2026, 3, 1, tzinfo=UTC), arms=arms, explored={"a": 7.0})
    experiment_rows.store_measured(ledger, "varied", measured)
    capsys.readouterr()
    assert main(["experiment", "status", "varied"]) == 0
    shown = capsys.readouterr().out
    assert main(["status"]) == 0
    assert "sample ratio p = 1" in capsys.readouterr().out
    assert "b − a: +0.2000" in shown
    assert "as they are" in shown
    assert '{"diversity": 0.3}' in shown
    assert "measured 2026-03-01 00:00:00 UTC" in shown
    assert main(["experiment", "status", "varied", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["comparisons"][0]["difference"] == pytest.approx(0.2)


def test_a_plan_needs_no_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    plan = "experiment plan --users-per-day 1000 --mean 1 --sd 3 --effect 0.1"
    assert main(plan.split()) == 0
    assert "is found in 4 of 5 experiments within" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["start", "varied", "--arm", "a"], 2, "arms: found 1 arms, expected 2 to 6"),
        (["start", "varied", "--arm", "a", "--arm", "b=hmoe"], 2, "found 'hmoe', expected"),
        (["start", "varied", "--arm", "a", "--arm", "b={k}"], 2, "arm b"),
        (["start", "a/b", "--arm", "a", "--arm", "b"], 2, "name: found 'a/b'"),
        (["start", "varied", "--arm", "a", "--arm", "b=release:9"], 2, "arms[1].release: found 9"),
        (["start", "varied", "--arm", "a", "--arm", "b", "--reward", "click"], 2, "TYPE=WEIGHT"),
        (["start", "canary-7", "--arm", "a", "--arm", "b"], 2, "candidates on trial have such"),
        (["stop", "other"], 1, "no experiment is named 'other'"),
        (["status", "other"], 1, "no experiment is named 'other'"),
        (["plan", "--users-per-day", "0", "--mean", "1", "--sd", "1"], 2, "must be positive"),
    ],
)
def test_a_mistake_is_refused_with_a_reason(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    why: str,
) -> None:
    found, error = refusal(["experiment", *arguments], capsys)
    assert (found, why in error) == (status, True), error


def test_without_slates_nothing_is_started(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET__SLATES__RECORD", "false")
    status, error = refusal(START, capsys)
    assert status == 1
    assert "set `slates.record` to true" in error
