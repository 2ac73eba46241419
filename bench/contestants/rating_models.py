"""Simple predictors of ratings: item mean, biases and an SVD, static and progressive.

Static models learn up to the cut and nothing later. Progressive ones predict each rating from all
earlier ratings of its user, then learn from it; items stay as of the cut. Letters: E events, U
users, I items, F factors and the bias.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.data.sets import RatingsSet
from bench.data.snapshots import Flags

Floats = NDArray[np.float64]
BIAS_DAMPINGS = (2.0, 5.0, 10.0, 20.0)
SVD_RIDGES = (5.0, 10.0, 20.0, 40.0)
SVD_FACTORS = 20
SVD_SWEEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingTask:
    """Ratings to train on, and later ones to predict."""

    data: RatingsSet
    train_E: Flags
    asked_E: Flags

    def split_again(self) -> RatingTask:
        """Return the task for choosing strengths: the last fifth of the training part is asked."""
        places = np.flatnonzero(self.train_E)
        cut = places[round(0.8 * len(places))]
        late_E = np.arange(len(self.train_E)) >= cut
        return replace(self, train_E=self.train_E & ~late_E, asked_E=self.train_E & late_E)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """Predictions of the asked events, in their order, and the seconds of learning."""

    ratings_E: Floats
    seconds: float = 0.0
    note: str = ""


def predictions(task: RatingTask) -> dict[str, Predicted]:
    """Return the predictions of every model.

    Strengths are chosen on the last fifth of the training part.
    """
    return {"item mean (static)": item_mean(task), **_biases(task), **_svd(task)}


def item_mean(task: RatingTask) -> Predicted:
    """Predict the mean rating of the item, or the mean of all for an item without ratings."""
    data, train_E = task.data, task.train_E
    sum_I = np.bincount(data.items_E[train_E], data.ratings_E[train_E], len(data.item_ids))
    count_I = np.bincount(data.items_E[train_E], minlength=len(data.item_ids))
    mean_I = np.where(count_I > 0, sum_I / np.maximum(count_I, 1), data.ratings_E[train_E].mean())
    return Predicted(ratings_E=mean_I[data.items_E[task.asked_E]])


def _biases(task: RatingTask) -> dict[str, Predicted]:
    """Predict by biases: damped means of items, then of users (Koren 2010, section 2.1)."""
    choosing, found = task.split_again(), {}
    for kind, progressive in (("static", False), ("progressive", True)):
        damping = _best(
            BIAS_DAMPINGS, partial(_by_biases, choosing, progressive=progressive), choosing
        )
        found[f"biases ({kind})"] = Predicted(
            ratings_E=_by_biases(task, damping, progressive=progressive),
            note=f"damping {damping:.0f}",
        )
    return found


def _by_biases(task: RatingTask, damping: float, *, progressive: bool) -> Floats:
    data, train_E = task.data, task.train_E
    mean = data.ratings_E[train_E].mean()
    item_bias_I = _damped_means(
        data.items_E[train_E], data.ratings_E[train_E] - mean, len(data.item_ids), damping
    )
    residual_E = data.ratings_E - mean - item_bias_I[data.items_E]
    sum_U = np.bincount(data.users_E[train_E], residual_E[train_E], data.num_users)
    count_U = np.bincount(data.users_E[train_E], minlength=data.num_users).astype(float)
    predicted = []
    for event in np.flatnonzero(task.asked_E):
        user = data.users_E[event]
        predicted.append(
            mean + item_bias_I[data.items_E[event]] + sum_U[user] / (damping + count_U[user])
        )
        if progressive:
            sum_U[user] += residual_E[event]
            count_U[user] += 1
    return _within_scale(task, np.array(predicted))


def _damped_means(
    groups_E: NDArray[np.int64], values_E: Floats, num_groups: int, damping: float
) -> Floats:
    means: Floats = np.bincount(groups_E, values_E, num_groups) / (
        damping + np.bincount(groups_E, minlength=num_groups)
    )
    return means


def _svd(task: RatingTask) -> dict[str, Predicted]:
    """Predict by matrix factorisation with biases (Koren, Bell & Volinsky 2009).

    It is solved by alternating ridge regressions, with the bias as one more factor. Progressive:
    before each rating the factors of its user are solved from all earlier ratings.
    """
    choosing = task.split_again()
    found = {}
    for kind, progressive in (("static", False), ("progressive", True)):
        ridge = _best(SVD_RIDGES, partial(_by_factors, choosing, progressive=progressive), choosing)
        began = time.monotonic()
        factors = Factors.learn(task, ridge)
        seconds = time.monotonic() - began
        predicted = factors.predict(task, progressive=progressive)
        found[f"SVD ({kind})"] = Predicted(
            ratings_E=predicted, seconds=seconds, note=f"{SVD_FACTORS} factors, ridge {ridge:.0f}"
        )
    return found


def _by_factors(task: RatingTask, ridge: float, *, progressive: bool) -> Floats:
    return Factors.learn(task, ridge).predict(task, progressive=progressive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """The model r ≈ mean + b_u + b_i + p_u · q_i.

    A row of either side has F factors, the last of which is the bias.
    """

    mean: float
    ridge: float
    users_UF: Floats
    items_IF: Floats

    @classmethod
    def learn(cls, task: RatingTask, ridge: float) -> Factors:
        """Fit the training part."""
        data, train_E = task.data, task.train_E
        users_E, items_E = data.users_E[train_E], data.items_E[train_E]
        mean = float(data.ratings_E[train_E].mean())
        above_E = data.ratings_E[train_E] - mean
        users_UF = np.zeros((data.num_users, SVD_FACTORS + 1))
        items_IF = np.random.default_rng(0).normal(0.0, 0.1, (len(data.item_ids), SVD_FACTORS + 1))
        items_IF[:, -1] = _damped_means(items_E, above_E, len(data.item_ids), BIAS_DAMPINGS[1])
        for _ in range(SVD_SWEEPS):
            users_UF = _ridge_solutions(
                users_E,
                _with_one(items_IF)[items_E],
                above_E - items_IF[items_E, -1],
                num_groups=data.num_users,
                ridge=ridge,
            )
            items_IF = _ridge_solutions(
                items_E,
                _with_one(users_UF)[users_E],
                above_E - users_UF[users_E, -1],
                num_groups=len(data.item_ids),
                ridge=ridge,
            )
        return cls(mean=mean, ridge=ridge, users_UF=users_UF, items_IF=items_IF)

    def predict(self, task: RatingTask, *, progressive: bool) -> Floats:
        """Predict the asked events."""
        data = task.data
        design_IF = _with_one(self.items_IF)
        if not progressive:
            users_E, items_E = data.users_E[task.asked_E], data.items_E[task.asked_E]
            shared_E = (self.users_UF[users_E] * design_IF[items_E]).sum(1)
            return _within_scale(task, self.mean + self.items_IF[items_E, -1] + shared_E)
        num_factors = self.items_IF.shape[1]
        gram_UFF = np.tile(np.eye(num_factors) * self.ridge, (data.num_users, 1, 1))
        answer_UF = np.zeros((data.num_users, num_factors))
        predicted = []
        for event in np.flatnonzero(task.train_E | task.asked_E):
            user, item = data.users_E[event], data.items_E[event]
            if task.asked_E[event]:
                own_F = np.linalg.solve(gram_UFF[user], answer_UF[user])
                predicted.append(self.mean + self.items_IF[item, -1] + own_F @ design_IF[item])
            gram_UFF[user] += np.outer(design_IF[item], design_IF[item])
            answer_UF[user] += design_IF[item] * (
                data.ratings_E[event] - self.mean - self.items_IF[item, -1]
            )
        return _within_scale(task, np.array(predicted))


def _with_one(side_XF: Floats) -> Floats:
    """Return the design of the other side: these factors, and 1 for the other side's bias."""
    return np.concatenate([side_XF[:, :-1], np.ones((len(side_XF), 1))], axis=1)


def _ridge_solutions(
    groups_E: NDArray[np.int64],
    design_EF: Floats,
    target_E: Floats,
    *,
    num_groups: int,
    ridge: float,
) -> Floats:
    """Return the ridge regression of each group; a group without events has zeros."""
    order = np.argsort(groups_E, kind="stable")
    bounds = np.searchsorted(groups_E[order], np.arange(num_groups + 1))
    found_XF = np.zeros((num_groups, design_EF.shape[1]))
    for group in np.flatnonzero(np.diff(bounds)):
        own = order[bounds[group] : bounds[group + 1]]
        gram_FF = design_EF[own].T @ design_EF[own] + ridge * np.eye(design_EF.shape[1])
        found_XF[group] = np.linalg.solve(gram_FF, design_EF[own].T @ target_E[own])
    return found_XF


def _within_scale(task: RatingTask, ratings_E: Floats) -> Floats:
    """Clip predictions to the range of the ratings that were trained on."""
    known_E = task.data.ratings_E[task.train_E]
    return ratings_E.clip(known_E.min(), known_E.max())


def _best(
    strengths: tuple[float, ...], predict: Callable[[float], Floats], choosing: RatingTask
) -> float:
    """Return the strength with the least squared error."""
    actual_E = choosing.data.ratings_E[choosing.asked_E]
    return min(strengths, key=lambda one: float(((predict(one) - actual_E) ** 2).mean()))
