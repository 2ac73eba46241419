"""Training with the product's trainer and scoring with its ranker, without servers.

Every event is ranked from the history before it, among all items except those already seen; never
among a sample.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from bench.data.sets import RatingsSet
from bench.data.snapshots import Flags, event_rows
from recommender.bundle import Bundle, load_bundle
from recommender.ranking.ranker import Ranker
from trainer.candidate import Job, make_candidate
from trainer.config import TrainConfig
from trainer.data.dataset import read_events
from trainer.evaluation.evaluate import Scored, evaluate, scored_events
from trainer.machine.device import claim_device
from trainer.machine.memory import keep_freed_memory
from trainer.report import Evaluation

BOOTSTRAP_DRAWS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanInterval:
    """A mean over users with its 95 % interval, by bootstrap over users (Efron 1979)."""

    value: float
    low: float
    high: float


def train_bundle(
    snapshot: Path, config: TrainConfig, out: Path, *, text_cache: Path
) -> tuple[Bundle, float]:
    """Train on the configuration's device; return the bundle and the processor's seconds.

    A candidate that exists in `out` is taken as it is and costs nothing.
    """
    keep_freed_memory()
    torch.set_num_threads(config.num_threads)
    began = time.process_time()
    device = claim_device(config.device)
    make_candidate(
        Job(
            snapshot=snapshot,
            config=config,
            out=out,
            text_cache=text_cache,
            check=lambda: None,
            device=device,
        )
    )
    return load_bundle(out / "bundle"), time.process_time() - began


def user_scores(
    data: RatingsSet,
    scored_E: Flags,
    history_E: Flags,
    bundle: Bundle,
    config: TrainConfig,
    *,
    folder: Path,
) -> dict[str, NDArray[np.float64]]:
    """Return NDCG@10 by user, of `candidate` and `popularity`.

    Each event of `scored_E` is ranked from the events of `history_E` that its user had before it.
    """
    evaluation = _evaluate(data, scored_E, history_E, bundle, config, folder)
    return {
        name: np.array(scores.ndcg)
        for name, scores in evaluation.models.items()
        if name != "biases"
    }


def event_ndcg(
    data: RatingsSet,
    scored_E: Flags,
    history_E: Flags,
    bundles: Mapping[str, Bundle],
    config: TrainConfig,
    *,
    folder: Path,
) -> dict[str, float]:
    """Return NDCG@10 by bundle, as the mean over events.

    Each event of `scored_E` is ranked from the events of `history_E` that its user had before it.
    """
    read_E = history_E & np.isin(data.users_E, data.users_E[scored_E])
    scored = _events_to_score(data, scored_E, read_E, config, folder)
    evaluation = evaluate(
        scored, {name: Ranker(bundle) for name, bundle in bundles.items()}, baselines_of=None
    )
    num_events_U = np.array(evaluation.num_events)
    return {
        name: float(np.average(scores.ndcg, weights=num_events_U))
        for name, scores in evaluation.models.items()
    }


def rating_errors(
    data: RatingsSet,
    scored_E: Flags,
    history_E: Flags,
    bundle: Bundle,
    config: TrainConfig,
    *,
    folder: Path,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each user's sum of squared rating errors and number of ratings.

    Each rating of `scored_E` is predicted from the events of `history_E` before it.
    """
    evaluation = _evaluate(data, scored_E, history_E, bundle, config, folder)
    sum_U, count_U = np.zeros(data.num_users), np.zeros(data.num_users, np.int64)
    users = [int(user_id.removeprefix("u")) for user_id in evaluation.user_ids]
    count_U[users] = evaluation.num_ratings
    sum_U[users] = [error or 0.0 for error in evaluation.models["candidate"].squared_error]
    return sum_U * count_U, count_U


def training_seconds(candidate: Path) -> float:
    """Return the seconds of reading, encoding, training and writing.

    After an interruption they count from where the training was resumed.
    """
    seconds: dict[str, float] = json.loads((candidate / "report.json").read_text(encoding="utf-8"))[
        "seconds"
    ]
    return sum(spent for phase, spent in seconds.items() if phase != "evaluate")


def _evaluate(
    data: RatingsSet,
    scored_E: Flags,
    history_E: Flags,
    bundle: Bundle,
    config: TrainConfig,
    folder: Path,
) -> Evaluation:
    ranker = Ranker(bundle)
    return evaluate(
        _events_to_score(data, scored_E, history_E, config, folder),
        {"candidate": ranker},
        baselines_of=ranker,
    )


def _events_to_score(
    data: RatingsSet, scored_E: Flags, history_E: Flags, config: TrainConfig, folder: Path
) -> Scored:
    roles = np.full(len(data.users_E), "", dtype=object)
    roles[history_E] = "context"
    roles[scored_E] = "score"
    pq.write_table(event_rows(data, roles != "", roles), folder / "scored.parquet")
    scored = scored_events(
        read_events(folder / "scored.parquet"), config, newest=int(scored_E.sum())
    )
    assert scored is not None
    return scored


def mean_interval(
    values_U: NDArray[np.float64] | Sequence[float], *, seed: int = 0
) -> MeanInterval:
    """Return the mean over users with its interval."""
    values_U = np.asarray(values_U)
    generator = np.random.default_rng(seed)
    means = [
        values_U[generator.integers(len(values_U), size=len(values_U))].mean()
        for _ in range(BOOTSTRAP_DRAWS)
    ]
    low, high = np.quantile(means, (0.025, 0.975))
    return MeanInterval(value=float(values_U.mean()), low=float(low), high=float(high))
