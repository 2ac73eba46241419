"""New items, ranked from their text alone, and what a shop can do without a model.

    .venv/bin/python -m bench cold [--sets ml-100k,ml-1m,beauty] [--folds 5] [--sample 1.0]

Each fold holds out a tenth of the items and a fifth of the users, both by hash and different in
each fold: no event of such a user, and no event or record of such an item, is trained on. Users are
held out like the panel, because a model that has learned a user's other events ranks those first.
Then the items arrive as in the product, by a release without gradients (mode `items`: texts are
encoded and rows appended). Every event of a held-out user on a held-out item is ranked from
everything that the user did before, among all items and among the new ones alone; seen items are
filtered.

A model that puts new items first wins *new items among all*. So the same users' events on any item,
and on known items with and without the new ones, are ranked too.

Baselines: random (its expectation), popularity among neighbours by text, the cosine of texts with
the history, and the model that the project began with, trained on the same events. Finished folds
are kept in var/bench.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.contestants.configs import CONFIGS, sketch_config
from bench.contestants.offline import mean_interval, train_bundle
from bench.data.sets import load_set
from bench.data.snapshots import Flags, Roles, write_snapshot
from bench.ranking.cold_folds import (
    USER_FOLDS,
    Fold,
    draw_events,
    event_batches,
    fold_of,
    sample_users,
)
from bench.ranking.cold_gains import (
    choose_neighbours,
    gains_of,
    neighbour_popularity,
    random_gains,
)
from bench.report.kept import code_digest, data_digest, kept_part, work_folder
from bench.report.labels import (
    ANY_AMONG_ALL,
    COLD_BASELINES,
    COLD_RANKINGS,
    KNOWN_AMONG_ALL,
    KNOWN_AMONG_KNOWN,
    NEIGHBOURS,
    NEW_AMONG_ALL,
    NEW_AMONG_NEW,
    RANDOM,
    SIMILAR,
    SKETCH,
    TEXT_ALONE,
)
from bench.report.rows import BenchMetric, save
from recommender.bundle import Bundle
from recommender.ranking.ranker import Ranker
from trainer.config import TrainConfig
from trainer.evaluation.evaluate import baseline_of

COMMAND = "python -m bench cold"
SETS = ("ml-100k", "ml-1m", "beauty")
OTHER_EVENTS = 4_000  # of a fold, drawn at random


def run_fold(fold: Fold, config: TrainConfig, folder: Path) -> dict[str, object]:
    """Return, by ranking, the user of each event and the gains by model.

    Also return the chosen numbers of neighbours and the seconds of training.
    """
    snapshot = folder / "snapshot"
    if not snapshot.exists():
        write_snapshot(
            snapshot, fold.data, Roles(target_E=fold.train_E), mode="full", seed=config.seed
        )
    bundle, seconds = train_and_release(fold, snapshot, config, folder)
    sketch, _ = train_and_release(fold, snapshot, sketch_config(config), folder / "sketch")
    item_ids = [item.item_id for item in bundle.catalogue]
    flags_of = {
        name: np.isin(item_ids, np.array(fold.data.item_ids)[held_N])
        for name, held_N in (("new", fold.cold_N), ("tuned", fold.tuned_N))
    }
    neighbours = choose_neighbours(fold, bundle, flags_of)
    level = replace(bundle, facts=replace(bundle.facts, counts_N=torch.zeros_like(bundle.counts_N)))
    rankers = {
        TEXT_ALONE: Ranker(bundle),
        SKETCH: Ranker(sketch),
        SIMILAR: Ranker(baseline_of(level)),
    }
    result: dict[str, object] = {"neighbours": neighbours, "seconds": seconds}
    for name, (chosen_E, allowed_N) in _rankings(fold, flags_of["new"]).items():
        batches = list(event_batches(fold.data, chosen_E, bundle))
        number = neighbours[NEW_AMONG_NEW if name == NEW_AMONG_NEW else NEW_AMONG_ALL]
        popularity_N = neighbour_popularity(bundle, flags_of["new"], number)
        gains = {model: gains_of(batches, ranker, allowed_N) for model, ranker in rankers.items()}
        gains[NEIGHBOURS] = gains_of(batches, rankers[TEXT_ALONE], allowed_N, popularity_N)
        gains[RANDOM] = random_gains(batches, allowed_N)
        shown = {model: {"NDCG@10": one.ndcg_X, "HR@10": one.hit_X} for model, one in gains.items()}
        result[name] = {"users": fold.data.users_E[chosen_E].tolist(), "gains": shown}
    return result


def train_and_release(
    fold: Fold,
    snapshot: Path,
    config: TrainConfig,
    folder: Path,
    *,
    complete: Callable[[Path], None] = lambda _: None,
) -> tuple[Bundle, float]:
    """Train on the fold's snapshot, then add the held-out items by a release without gradients.

    Return the bundle and the seconds of training. The rows of items do not depend on the
    configuration. `complete` adds to the second snapshot what is known of items beside texts.
    """
    torch.set_num_threads(config.num_threads)
    folder.mkdir(exist_ok=True)
    _, seconds = train_bundle(
        snapshot, config, folder / "candidate", text_cache=work_folder() / "texts"
    )
    roles = Roles(target_E=np.zeros_like(fold.train_E), more_items=np.flatnonzero(fold.cold_N))
    for name in ("arrival", "release"):
        shutil.rmtree(folder / name, ignore_errors=True)
    arrival = write_snapshot(folder / "arrival", fold.data, roles, mode="items", seed=config.seed)
    complete(arrival)
    for name, source in (("live", "bundle"), ("state", "state")):
        shutil.copytree(folder / "candidate" / source, arrival / name)
    bundle, _ = train_bundle(
        arrival, config, folder / "release", text_cache=work_folder() / "texts"
    )
    for used in ("arrival", "candidate"):
        shutil.rmtree(folder / used)
    return bundle, seconds


def _rankings(fold: Fold, new_N: Flags) -> dict[str, tuple[Flags, Flags]]:
    """Return, by ranking, the events to score and the items that are ranked."""
    panel_E = fold.panel_U[fold.data.users_E]
    any_E = draw_events(panel_E, OTHER_EVENTS)
    known_E = draw_events(panel_E & ~fold.cold_N[fold.data.items_E], OTHER_EVENTS)
    every_N = np.ones_like(new_N)
    return {
        NEW_AMONG_ALL: (fold.scored_E, every_N),
        NEW_AMONG_NEW: (fold.scored_E, new_N),
        ANY_AMONG_ALL: (any_E, every_N),
        KNOWN_AMONG_ALL: (known_E, every_N),
        KNOWN_AMONG_KNOWN: (known_E, ~new_N),
    }


def run(name: str, num_folds: int, share: float) -> list[BenchMetric]:
    """Run all folds of one set, or take what is kept, and return the metrics."""
    data = sample_users(load_set(name), share) if share < 1 else load_set(name)
    config = CONFIGS[name]
    folds = []
    for number in range(num_folds):
        decided_by = (code_digest("bench/ranking/cold*.py"), data_digest(data), config, number)
        result = kept_part(
            f"cold/{name}-{number}", decided_by, partial(run_fold, fold_of(data, number), config)
        )
        assert isinstance(result, dict)
        folds.append(result)
        print(
            f"{name}, fold {number}: neighbours {result['neighbours']},"
            f" {result['seconds']:.0f} s of training",
            flush=True,
        )
    return metrics_of(name, folds, note="" if share == 1 else f"{share:.0%} of the users")


def metrics_of(name: str, folds: Sequence[Mapping[str, object]], *, note: str) -> list[BenchMetric]:
    """Return means over users, and our differences from each baseline, user by user.

    Intervals are by bootstrap over users. Folds differ in items and users and share one seed.
    """
    seconds = {TEXT_ALONE: float(np.mean([float(str(fold["seconds"])) for fold in folds]))}
    num_folds = f"{len(folds)} folds" if len(folds) > 1 else "1 fold"
    metrics = []
    for ranking in COLD_RANKINGS:
        for metric in ("NDCG@10", "HR@10"):
            for model, value_U in _values([fold[ranking] for fold in folds], metric).items():
                place = (metric, ranking, model, name)
                row = mean_of_users(value_U, place, (num_folds, note))
                metrics.append(replace(row, seconds=seconds.get(model)))
    return metrics


def _values(parts: Sequence[object], metric: str) -> dict[str, NDArray[np.float64]]:
    """Return each model's means by user, and Freshet's differences from the baselines."""
    models = (TEXT_ALONE, *COLD_BASELINES)
    values = {model: user_means(parts, model, metric) for model in models}
    for model in COLD_BASELINES:
        values[f"{TEXT_ALONE} − {model}"] = values[TEXT_ALONE] - values[model]
    return values


def mean_of_users(
    value_U: NDArray[np.float64], place: tuple[str, str, str, str], notes: Sequence[str]
) -> BenchMetric:
    """Print and return the mean over users with its interval, by bootstrap over users.

    `place` is the row's metric, protocol, model and set.
    """
    shown = mean_interval(value_U)
    metric, protocol, model, set_name = place
    print(
        f"{set_name:8} {protocol:28} {metric:8} {shown.value:+.4f}"
        f" [{shown.low:+.4f}, {shown.high:+.4f}] {model}",
        flush=True,
    )
    return BenchMetric(
        metric=metric,
        value=shown.value,
        low=shown.low,
        high=shown.high,
        unit="1",
        protocol=protocol,
        model=model,
        set=set_name,
        seeds=1,
        note=", ".join(filter(None, (f"{len(value_U):,} users", *notes))),
    )


def user_means(parts: Sequence[object], model: str, metric: str) -> NDArray[np.float64]:
    """Return each user's mean over their events in all folds; users in order of their number."""
    users: list[int] = []
    gains: list[float] = []
    for part in parts:
        assert isinstance(part, dict)
        users += part["users"]
        gains += part["gains"][model][metric]
    places = np.unique(users, return_inverse=True)[1]
    means: NDArray[np.float64] = np.bincount(places, weights=gains) / np.bincount(places)
    return means


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Items that were held out entirely, ranked from their text alone."
    )
    parser.add_argument("--sets", default=",".join(SETS), help=f"the sets, of {', '.join(SETS)}")
    parser.add_argument(
        "--folds",
        type=int,
        default=USER_FOLDS,
        help="the number of folds, each with other items and users; at most 10",
    )
    parser.add_argument(
        "--sample",
        type=float,
        default=1.0,
        help="the share of users that is used at all; the rows say so",
    )
    given = parser.parse_args(arguments)
    metrics = [
        one for name in given.sets.split(",") for one in run(name, given.folds, given.sample)
    ]
    save("cold", given.sets.replace(",", ", "), metrics, command=COMMAND)
