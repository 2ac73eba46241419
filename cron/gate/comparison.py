"""The metrics of the models in an evaluation, and the differences between two of them.

Suffixes: U one entry per user, M one per model.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TypeVar

import numpy as np

from cron.gate.bootstrap import Interval, paired_mean_difference, paired_root_difference
from trainer.report import Evaluation, Scores

_Value = TypeVar("_Value")


def mean_ndcg(evaluation: Evaluation, model: str) -> float:
    """Return a model's NDCG@10 over all events; 0 without events."""
    num_events_U = np.array(evaluation.num_events, dtype=float)
    if num_events_U.sum() == 0:
        return 0.0
    ndcg_U = np.array(evaluation.models[model].ndcg, dtype=float)
    return float(ndcg_U @ num_events_U / num_events_U.sum())


def rmse(evaluation: Evaluation, model: str) -> float | None:
    """Return the root of a model's mean squared error over all ratings; None if it has none."""
    if model not in evaluation.models:
        return None
    squared_error, num_ratings = 0.0, 0
    errors = evaluation.models[model].squared_error
    for error, num in zip(errors, evaluation.num_ratings, strict=True):
        if error is not None and num:
            squared_error += error * num
            num_ratings += num
    return float(np.sqrt(squared_error / num_ratings)) if num_ratings else None


def ndcg_difference(
    evaluations: Sequence[Evaluation], reference: str, resamples: int, *, ratio: float = 1.0
) -> Interval:
    """Compare the candidate's NDCG with `ratio` times the reference's over all users.

    A user who is in several evaluations is one user, with all their events.
    """
    users: dict[str, int] = {}
    for evaluation in evaluations:
        for user_id in evaluation.user_ids:
            users.setdefault(user_id, len(users))
    gain_MU, num_events_U = np.zeros((2, len(users))), np.zeros(len(users))
    for evaluation in evaluations:
        place_U = np.array([users[user_id] for user_id in evaluation.user_ids], dtype=int)
        num_events = np.array(evaluation.num_events, dtype=float)
        num_events_U[place_U] += num_events
        for row, model in enumerate(("candidate", reference)):
            ndcg = np.array(evaluation.models[model].ndcg, dtype=float)
            gain_MU[row, place_U] += ndcg * num_events
    with np.errstate(invalid="ignore"):
        mean_MU = np.where(num_events_U > 0, gain_MU / np.maximum(num_events_U, 1), 0.0)
    return paired_mean_difference(mean_MU[0], ratio * mean_MU[1], num_events_U, resamples=resamples)


def rmse_difference(evaluation: Evaluation, resamples: int) -> Interval | None:
    """Compare the candidate's and the live model's rating errors.

    Only users for whom both models have an error count; None when there are none.
    """
    if "live" not in evaluation.models:
        return None
    mine, theirs, weights = [], [], []
    for error, live_error, num in zip(
        evaluation.models["candidate"].squared_error,
        evaluation.models["live"].squared_error,
        evaluation.num_ratings,
        strict=True,
    ):
        if error is not None and live_error is not None and num:
            mine.append(error)
            theirs.append(live_error)
            weights.append(num)
    if not weights:
        return None
    return paired_root_difference(
        np.array(mine, dtype=float),
        np.array(theirs, dtype=float),
        np.array(weights, dtype=float),
        resamples=resamples,
    )


def restricted_to(evaluation: Evaluation | None, users: Set[str] | None) -> Evaluation | None:
    """Return the evaluation of these users only; None for `users` means all."""
    if evaluation is None or users is None or set(evaluation.user_ids) <= users:
        return evaluation
    rows = [row for row, user_id in enumerate(evaluation.user_ids) if user_id in users]
    models = {}
    for name, scores in evaluation.models.items():
        models[name] = Scores(
            ndcg=_pick(scores.ndcg, rows),
            squared_error=_pick(scores.squared_error, rows),
            coverage=scores.coverage,
        )
    return Evaluation(
        user_ids=_pick(evaluation.user_ids, rows),
        num_events=_pick(evaluation.num_events, rows),
        num_ratings=_pick(evaluation.num_ratings, rows),
        models=models,
    )


def panel_metrics(panel: Evaluation | None, older: Evaluation | None) -> dict[str, float]:
    """Return the metrics of all models by name; values that are not finite are left out."""
    metrics: dict[str, float] = {}
    if panel is not None:
        metrics["panel_users"] = float(len(panel.user_ids))
        metrics["panel_events"] = float(sum(panel.num_events))
        for model, scores in panel.models.items():
            if model != "biases":  # biases rank nothing
                metrics[f"ndcg_{model}"] = mean_ndcg(panel, model)
            if (error := rmse(panel, model)) is not None:
                metrics[f"rmse_{model}"] = error
            if model in ("candidate", "live"):
                metrics[f"coverage_{model}"] = scores.coverage
    if older is not None:
        for model in ("candidate", "live"):
            if model in older.models:
                metrics[f"ndcg_older_{model}"] = mean_ndcg(older, model)
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _pick(values: tuple[_Value, ...], rows: Sequence[int]) -> tuple[_Value, ...]:
    return tuple(values[row] for row in rows)
