"""The search for configurations: what it may read, its fields, and that trials are kept."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data.sets import RatingsSet
from bench.ranking.tune import (
    TrialResult,
    question_of,
    run_trial,
    trials_of,
    with_changes,
    write_table,
)
from cron.errors import SettingsError
from recommender.config import ModelConfig
from trainer.config import TrainConfig

SMALL = TrainConfig(
    model=ModelConfig(text_dim=16, dim=16, num_layers=1, max_history=20), full_epochs=1
)


def walks(num_users: int = 20, length: int = 10) -> RatingsSet:
    users = np.tile(np.arange(num_users), length)
    return RatingsSet(
        name="walks",
        users_E=users,
        items_E=(users + np.repeat(np.arange(length), num_users)) % 30,
        ratings_E=np.full(len(users), np.nan),
        at_s_E=1e9 + np.arange(float(len(users))),
        item_ids=[f"i{number}" for number in range(30)],
        items=[None] * 30,
    )


def test_the_events_of_the_test_are_never_used() -> None:
    data = walks()
    tuning, stream, updates = (question_of(data, on) for on in ("tuning", "stream", "updates"))
    assert not (tuning.train_E | tuning.asked_E)[data.last_of_users()].any()
    assert tuning.asked_E.sum() == data.num_users
    half = len(data.users_E) // 2
    for question in (stream, updates):
        assert not (question.train_E | question.asked_E)[half:].any()
        assert np.flatnonzero(question.train_E).max() < np.flatnonzero(question.asked_E).min()
    for question in (tuning, stream, updates):
        assert not (question.train_E & question.asked_E).any()


def test_a_field_is_named_as_in_the_settings() -> None:
    config = with_changes(
        SMALL,
        {
            "full_lr": "1e-3",
            "model.dropout": "0.4",
            "model.tower": "lstm",
            "full_epochs": "3",
            "positive_rating": "",
        },
    )
    assert (config.full_lr, config.model.dropout, config.model.tower, config.full_epochs) == (
        1e-3,
        0.4,
        "lstm",
        3,
    )
    assert (config.positive_rating, config.model.dim) == (None, 16)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("full_lrs", "1", "did you mean full_lr"),
        ("model.drop", "0.1", "did you mean model.dropout"),
        ("model.dropout", "2", "between 0 and 0.99"),
        ("model.tower", "gru", "expected one of"),
        ("full_epochs", "1.5", "a whole number"),
        ("model", "x", "no such field"),
    ],
)
def test_a_wrong_field_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        with_changes(SMALL, {name: text})


def test_random_combinations_are_the_same_each_time() -> None:
    tries = {"full_lr": ["1e-3", "2e-3"], "model.dim": ["16", "32", "64"]}
    assert len({trial.changes for trial in trials_of(SMALL, tries, random=None)}) == 6
    some = trials_of(SMALL, tries, random=4)
    assert len({trial.changes for trial in some}) == 4
    assert some == trials_of(SMALL, tries, random=4)
    assert all(trial.config.model.dim == int(trial.changes.rpartition("=")[2]) for trial in some)


def test_a_finished_trial_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_BENCH_WORK", str(tmp_path))
    question, (trial,) = (
        question_of(walks(), "tuning"),
        trials_of(SMALL, {"full_epochs": ["1"]}, random=None),
    )
    first = run_trial(question, trial, [0, 1])
    assert 0 <= first.low <= first.ndcg <= first.high
    results = sorted((tmp_path / "tune").rglob("result.json"))
    times = [result.stat().st_mtime_ns for result in results]
    assert len(results) == 2
    assert run_trial(question, trial, [0, 1]) == first
    assert [result.stat().st_mtime_ns for result in results] == times
    other = replace(trial, config=replace(trial.config, weight_decay=0.0))
    run_trial(question, other, [0])
    assert len(list((tmp_path / "tune").rglob("result.json"))) == 3


def test_updates_are_chosen_without_the_stream_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_BENCH_WORK", str(tmp_path))
    data = walks(num_users=60, length=16)
    half = len(data.users_E) // 2
    elsewhere = replace(
        data, items_E=np.where(np.arange(2 * half) < half, data.items_E, 29 - data.items_E)
    )
    (still,) = trials_of(SMALL, {"update_lr": ["1e-9"]}, random=None)
    (learning,) = trials_of(SMALL, {"update_lr": ["1e-2"], "average_decay": ["0"]}, random=None)
    question = question_of(data, "updates")
    before, after = run_trial(question, still, [0]), run_trial(question, learning, [0])
    assert after.ndcg > before.ndcg + 0.1
    assert after.seconds > 0
    assert after.accepted == 1
    assert run_trial(question_of(elsewhere, "updates"), learning, [0]).ndcg == after.ndcg


def test_the_table_keeps_what_other_searches_found(tmp_path: Path) -> None:
    def result(changes: str, ndcg: float) -> TrialResult:
        return TrialResult(changes=changes, ndcg=ndcg, low=0.0, high=1.0, seeds=1, seconds=2.0)

    question, path = question_of(walks(), "tuning"), tmp_path / "tune" / "walks.csv"
    write_table(question, [result("full_lr=1e-3", 0.1), result("full_lr=2e-3", 0.3)], path)
    write_table(question, [result("full_lr=1e-3", 0.2), result("model.dim=32", 0.25)], path)
    with path.open(newline="") as file:
        assert [(row["changes"], row["ndcg"]) for row in csv.DictReader(file)] == [
            ("full_lr=2e-3", "0.3"),
            ("model.dim=32", "0.25"),
            ("full_lr=1e-3", "0.2"),
        ]
