"""The other models of the quality benches, and leave-one-out, on planted tastes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.contestants.ease import ease, popularity
from bench.contestants.rating_models import Factors, RatingTask, predictions
from bench.data.leave_one_out import Split, list_gains, score_gains, split_of
from bench.ranking.ratings import task_of
from tests.unit.bench.tastes import NUM_ITEMS, NUM_USERS, tastes


@pytest.mark.parametrize("tuning", [True, False])
def test_training_events_come_before_the_asked_event(tuning: bool) -> None:
    data = tastes()
    split = split_of(data, tuning=tuning)
    assert not (split.train_E & split.asked_E).any()
    for user in range(NUM_USERS):
        (asked,) = np.flatnonzero(split.asked_E & (data.users_E == user))
        assert np.flatnonzero(split.train_E & (data.users_E == user)).max() < asked


def test_the_final_models_learn_from_the_tuning_event() -> None:
    data = tastes()
    tuning, final = split_of(data, tuning=True), split_of(data)
    assert final.train_E[tuning.asked_E].all()
    assert not tuning.train_E[final.asked_E].any()
    assert tuning.protocol != final.protocol


def test_a_list_and_its_scores_have_the_same_gain() -> None:
    generator = np.random.default_rng(1)
    scores_UN = generator.permuted(np.tile(np.arange(50.0), (20, 1)), axis=1).astype(np.float32)
    seen_UN = generator.random((20, 50)) < 0.3
    targets_U = generator.integers(50, size=20)
    targets_U[3] = -1
    tops = [
        [int(item) for item in np.argsort(-np.where(seen_UN[user], -np.inf, scores_UN[user]))[:10]]
        for user in range(20)
    ]
    by_scores = score_gains(scores_UN, seen_UN, targets_U)
    assert len(by_scores) == 19
    assert by_scores.any()
    np.testing.assert_allclose(by_scores, list_gains(tops, targets_U))


def test_ties_count_against_the_target_and_seen_items_miss() -> None:
    same_UN, none_UN = np.ones((1, 30), np.float32), np.zeros((1, 30), np.bool_)
    assert score_gains(same_UN, none_UN, np.array([0])) == [0.0]
    best_UN = same_UN.copy()
    best_UN[0, 7] = 2.0
    assert score_gains(best_UN, none_UN, np.array([7])) == [1.0]
    seen_UN = none_UN.copy()
    seen_UN[0, 7] = True
    assert score_gains(best_UN, seen_UN, np.array([7])) == [0.0]


def test_ease_learns_the_two_tastes_and_popularity_does_not() -> None:
    split = split_of(tastes())
    by_taste, by_counts = np.mean(ease(split, 10.0).ndcg_U), np.mean(popularity(split).ndcg_U)
    assert by_taste > 1.5 * by_counts > 0.0
    assert len(ease(split, 10.0).ndcg_U) == NUM_USERS


def test_ease_is_the_closed_form() -> None:
    split = split_of(tastes())
    seen_UN = np.zeros((NUM_USERS, NUM_ITEMS))
    seen_UN[split.data.users_E[split.train_E], split.data.items_E[split.train_E]] = 1.0
    precision_NN = np.linalg.inv(seen_UN.T @ seen_UN + 10.0 * np.eye(NUM_ITEMS))
    weights_NN = -precision_NN / np.diag(precision_NN)
    np.fill_diagonal(weights_NN, 0.0)
    expected = score_gains(seen_UN @ weights_NN, seen_UN > 0, split.targets_U)
    np.testing.assert_allclose(ease(split, 10.0).ndcg_U, expected)


def test_a_user_without_enough_events_is_not_asked() -> None:
    data = tastes()
    once_E = (data.users_E != 5) | (np.arange(len(data.users_E)) < NUM_USERS)
    short = replace(
        data,
        **{
            name: getattr(data, name)[once_E]
            for name in ("users_E", "items_E", "ratings_E", "at_s_E")
        },
    )
    split: Split = split_of(short, tuning=True)
    assert split.targets_U[5] == -1
    assert len(popularity(split).ndcg_U) == NUM_USERS - 1


def test_every_rating_model_learns_which_items_are_disliked() -> None:
    task = task_of(tastes(noise=0.2), tuning=False)
    spread = float(np.std(task.data.ratings_E[task.asked_E]))
    for name, found in predictions(task).items():
        error = float(np.sqrt(np.mean((found.ratings_E - task.data.ratings_E[task.asked_E]) ** 2)))
        assert error < 0.6 * spread, name


def test_only_progressive_models_follow_a_user_after_the_cut() -> None:
    """From the cut on every user rates two stars lower; only progressive models see that."""
    data = tastes(rounds=18, noise=0.1)
    task = task_of(data, tuning=False)
    task = replace(
        task,
        data=replace(data, ratings_E=np.where(task.asked_E, data.ratings_E - 2.0, data.ratings_E)),
    )
    found = predictions(task)
    actual_E = task.data.ratings_E[task.asked_E]
    errors = {name: float(np.mean((one.ratings_E - actual_E) ** 2)) for name, one in found.items()}
    assert errors["biases (progressive)"] < errors["biases (static)"]
    assert errors["SVD (progressive)"] < errors["SVD (static)"]


def test_no_prediction_depends_on_a_later_rating() -> None:
    task = task_of(tastes(noise=0.2), tuning=False)
    last = int(np.flatnonzero(task.asked_E)[-1])
    changed = replace(
        task,
        data=replace(
            task.data,
            ratings_E=np.where(np.arange(len(task.asked_E)) == last, 1.0, task.data.ratings_E),
        ),
    )
    after = predictions(changed)
    for name, found in predictions(task).items():
        np.testing.assert_array_equal(found.ratings_E, after[name].ratings_E, err_msg=name)


def test_the_factors_find_a_planted_interaction() -> None:
    """A rating is 4 if user and item agree and 2 if not: one factor can model that, no bias."""
    generator = np.random.default_rng(2)
    users_E, items_E = (
        one.reshape(-1)
        for one in np.meshgrid(np.arange(NUM_USERS), np.arange(NUM_ITEMS), indexing="ij")
    )
    order = generator.permutation(len(users_E))
    users_E, items_E = users_E[order], items_E[order]
    ratings_E = np.where((users_E + items_E) % 2 == 0, 4.0, 2.0)
    data = replace(
        tastes(),
        users_E=users_E,
        items_E=items_E,
        ratings_E=ratings_E,
        at_s_E=np.arange(len(users_E), dtype=float),
    )
    task: RatingTask = task_of(data, tuning=False)
    actual_E = ratings_E[task.asked_E]
    for progressive in (False, True):
        predicted_E = Factors.learn(task, 5.0).predict(task, progressive=progressive)
        assert np.sqrt(np.mean((predicted_E - actual_E) ** 2)) < 0.3
    assert np.sqrt(np.mean((predictions(task)["biases (static)"].ratings_E - actual_E) ** 2)) > 0.9


def test_choosing_happens_inside_the_training_part() -> None:
    data = tastes()
    tuning, final = task_of(data, tuning=True), task_of(data, tuning=False)
    assert not (tuning.asked_E & final.asked_E).any()
    assert not (tuning.train_E & final.asked_E).any()
    assert np.flatnonzero(tuning.train_E).max() < np.flatnonzero(tuning.asked_E).min()
