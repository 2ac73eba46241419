"""Predicted ratings: trained on the first 80 % of the timeline, tested on the rest.

Static models know nothing later than the cut. Progressive ones predict each rating from all that
its user did before it, as Freshet does in production, where the history has the ratings. Compare
only models of the same kind. The tuning stage does the same inside the first 80 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.contestants.configs import sketch_config
from bench.contestants.offline import BOOTSTRAP_DRAWS, rating_errors, train_bundle, training_seconds
from bench.contestants.rating_models import RatingTask, predictions
from bench.data.sets import RatingsSet
from bench.data.snapshots import Roles, write_snapshot
from bench.report.kept import code_digest, data_digest, files_digest, kept_part
from bench.report.labels import FRESHET, RATINGS, SKETCH
from bench.report.rows import BenchMetric
from recommender.bundle import Bundle
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from trainer.config import TrainConfig

UNKNOWN = -1  # an item that first appeared after the cut


@dataclass(frozen=True, slots=True, kw_only=True)
class UserErrors:
    """One model's sums of squared errors by user, its seconds of learning, and a note."""

    sum_U: Sequence[float]
    seconds: float
    note: str = ""


def task_of(data: RatingsSet, *, tuning: bool) -> RatingTask:
    """Return the split of a set; in the tuning stage that of its first 80 %."""
    first_E = np.arange(len(data.users_E)) < round(0.8 * len(data.users_E))
    task = RatingTask(data=data, train_E=first_E, asked_E=~first_E)
    return task.split_again() if tuning else task


def rating_metrics(
    data: RatingsSet,
    config: TrainConfig,
    *,
    seeds: Sequence[int],
    tuning: bool,
    alone_as: str | None = None,
) -> list[BenchMetric]:
    """Return RMSE of every model with an interval by bootstrap over users.

    With `alone_as` only our model is trained, and its rows have that name.
    """
    task = task_of(data, tuning=tuning)
    stage = "tuning" if tuning else "test"
    decided_by = (
        files_digest("bench/ranking/ratings.py", "bench/contestants/rating_models.py"),
        data_digest(data),
        stage,
    )
    contestants = (
        {FRESHET: config, SKETCH: sketch_config(config)} if alone_as is None else {alone_as: config}
    )
    runs = [
        _freshet_errors(
            task, {name: replace(its, seed=seed) for name, its in contestants.items()}, stage
        )
        for seed in seeds
    ]
    ours = [_rmse(task, name, [run[name] for run in runs], stage) for name in runs[0]]
    if alone_as is not None:
        return ours
    others = _errors_from(
        kept_part(f"ratings/{data.name}-others-{stage}", decided_by, lambda _: _other_errors(task))
    )
    return ours + [_rmse(task, name, [errors], stage) for name, errors in others.items()]


def _errors_from(kept: object) -> dict[str, UserErrors]:
    assert isinstance(kept, dict)
    return {name: UserErrors(**one) for name, one in kept.items()}


def _other_errors(task: RatingTask) -> object:
    asked_E = task.asked_E
    actual_E, users_E = task.data.ratings_E[asked_E], task.data.users_E[asked_E]
    return {
        name: _kept_form(
            np.bincount(users_E, (one.ratings_E - actual_E) ** 2, task.data.num_users),
            one.seconds,
            one.note,
        )
        for name, one in predictions(task).items()
    }


def _freshet_errors(
    task: RatingTask, contestants: Mapping[str, TrainConfig], stage: str
) -> dict[str, UserErrors]:
    """Return the errors of each configuration of the trainer, by `model (kind)`."""
    found: dict[str, UserErrors] = {}
    for model, its in contestants.items():
        decided_by = (code_digest("bench/ranking/ratings.py"), data_digest(task.data), its, stage)
        name = f"ratings/{task.data.name}-{its.model.tower}-{stage}-{its.seed}"
        kept = _errors_from(kept_part(name, decided_by, partial(_train_and_predict, task, its)))
        found |= {f"{model} ({kind})": errors for kind, errors in kept.items()}
    return found


def _train_and_predict(task: RatingTask, config: TrainConfig, folder: Path) -> object:
    torch.set_num_threads(config.num_threads)
    if not (folder / "snapshot").exists():
        write_snapshot(
            folder / "snapshot",
            task.data,
            Roles(target_E=task.train_E),
            mode="full",
            seed=config.seed,
        )
    bundle, _ = train_bundle(
        folder / "snapshot", config, folder / "candidate", text_cache=folder / "texts"
    )
    seconds = training_seconds(folder / "candidate")
    sum_U, count_U = rating_errors(
        task.data, task.asked_E, task.train_E, bundle, config, folder=folder
    )
    if count_U.sum() != task.asked_E.sum():
        raise RuntimeError(
            f"{task.data.name}: {count_U.sum()} ratings were scored,"
            f" {task.asked_E.sum()} were asked for"
        )
    return {
        "progressive": _kept_form(sum_U, seconds),
        "static": _kept_form(_static_errors(task, bundle), seconds),
    }


def _static_errors(task: RatingTask, bundle: Bundle) -> NDArray[np.float64]:
    """Return each user's sum of squared errors with histories that end at the cut.

    A user who comes later has an empty history.
    """
    data, ranker = task.data, Ranker(bundle)
    row_of = {item.item_id: row for row, item in enumerate(ranker.catalogue)}
    row_E = np.array([row_of.get(item_id, UNKNOWN) for item_id in data.item_ids])[data.items_E]
    text_dim = bundle.manifest.model.text_dim
    sum_U = np.zeros(data.num_users)
    for user in np.unique(data.users_E[task.asked_E]):
        own_E = data.users_E == user
        history = [
            HistoryElement(
                row=int(row_E[event]),
                type="rating",
                rating=float(data.ratings_E[event]),
                at_s=float(data.at_s_E[event]),
            )
            for event in np.flatnonzero(own_E & task.train_E)
        ]
        state = ranker.user_states([history])
        asked = np.flatnonzero(own_E & task.asked_E)
        known = ranker.ratings(state, torch.from_numpy(row_E[asked].clip(0))[None])[0].numpy()
        nameless = ranker.text_ratings(state, torch.zeros(1, 1, text_dim)).item()
        predicted = np.where(row_E[asked] == UNKNOWN, nameless, known)
        sum_U[user] = ((predicted - data.ratings_E[asked]) ** 2).sum()
    return sum_U


def _kept_form(sum_U: NDArray[np.number], seconds: float, note: str = "") -> dict[str, object]:
    return asdict(UserErrors(sum_U=sum_U.tolist(), seconds=seconds, note=note))


def _rmse(task: RatingTask, name: str, runs: Sequence[UserErrors], stage: str) -> BenchMetric:
    """Return the RMSE over ratings, of errors that are means over seeds.

    A name is `model (kind)`.
    """
    model, kind = name.removesuffix(")").split(" (")
    sum_U = np.mean([run.sum_U for run in runs], axis=0)
    count_U = np.bincount(task.data.users_E[task.asked_E], minlength=task.data.num_users)
    sum_U, count_U = sum_U[count_U > 0], count_U[count_U > 0]
    generator = np.random.default_rng(0)
    drawn_BU = generator.integers(len(sum_U), size=(BOOTSTRAP_DRAWS, len(sum_U)))
    low, high = np.quantile(
        np.sqrt(sum_U[drawn_BU].sum(1) / count_U[drawn_BU].sum(1)), (0.025, 0.975)
    )
    seconds = float(np.mean([run.seconds for run in runs]))
    rmse_S = np.sqrt([np.sum(run.sum_U) / count_U.sum() for run in runs])
    spread = f"seeds {rmse_S.min():.4f} to {rmse_S.max():.4f}" if len(runs) > 1 else ""
    notes = (f"{count_U.sum():,} ratings of {len(sum_U):,} users", runs[0].note, spread)
    shown = BenchMetric(
        metric="RMSE",
        value=float(np.sqrt(sum_U.sum() / count_U.sum())),
        low=float(low),
        high=float(high),
        unit="stars",
        protocol=f"{RATINGS}, {kind}" if stage == "test" else f"{RATINGS}, {kind}, {stage}",
        model=model,
        set=task.data.name,
        seeds=len(runs),
        seconds=seconds,
        note=", ".join(filter(None, notes)),
    )
    print(
        f"{shown.set:8} {name:28} RMSE     {shown.value:.4f} [{low:.4f}, {high:.4f}]"
        f"  {seconds:.0f} s",
        flush=True,
    )
    return shown
