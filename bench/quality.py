"""Ranking and ratings beside popularity, EASE, biases, and RecTools' SASRec and HSTU on the same split in the same run.

    .venv/bin/python -m bench.quality [--sets ml-100k,ml-1m,beauty] [--without-peers]

Protocols (MODEL in docs/log.md says why): leave-one-out, each user's last event is the test and the one before it is left to tuning, full
ranking over all items, seen ones filtered; it leaks the future, and is here to stand beside papers. Ratings: the first 80 % of the timeline
is trained on, each later rating is predicted from the history before it (progressive). Finished rankings are kept in var/bench by code and
configuration, so a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench import peers
from bench.configs import CONFIGS
from bench.offline import Figure, figure, rating_errors, train_bundle, user_scores
from bench.rows import Measure, commit, save
from bench.sets import RatingsSet, load_set
from bench.snapshots import Flags, Roles, write_snapshot
from cron.wiring import PROJECT_ROOT

COMMAND = "python -m bench.quality"
PROTOCOL = "leave-one-out"
RATINGS_PROTOCOL = "global time 80/20, progressive"
SETS = ("ml-100k", "ml-1m", "beauty")
WORK = PROJECT_ROOT / "var" / "bench"
EASE_REGULARISATION = {"ml-100k": 300.0, "ml-1m": 500.0, "beauty": 100.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Leave-one-out: what is trained on, what is tested, and what histories are read at the test."""

    data: RatingsSet
    train_E: Flags
    test_E: Flags

    @property
    def history_E(self) -> Flags:
        """Everything but the test: the tuning event is known by then."""
        return ~self.test_E


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Each user's NDCG@10, 0 where the test item is not among the ten, and the seconds that training took."""

    ndcg_U: Sequence[float]
    seconds: float


def split_of(data: RatingsSet) -> Split:
    """Return the split of a set."""
    last_E, before_E = data.last_of_users(), data.last_of_users(but=1)
    return Split(data=data, train_E=~(last_E | before_E), test_E=last_E)


def freshet(split: Split, folder: Path) -> dict[str, Scored]:
    """Train with the product's trainer, rank with its ranker; popularity comes along."""
    config = CONFIGS[split.data.name]
    torch.set_num_threads(config.num_threads)
    snapshot = write_snapshot(folder / "snapshot", split.data, Roles(target_E=split.train_E), mode="full")
    bundle, seconds = train_bundle(snapshot, config, folder / "candidate", text_cache=WORK / "texts")
    scores = user_scores(split.data, split.test_E, split.history_E, bundle, config, folder=folder)
    return {
        "Freshet": Scored(ndcg_U=scores["candidate"].tolist(), seconds=seconds),
        "popularity": Scored(ndcg_U=scores["popularity"].tolist(), seconds=0.0),
    }


def ease(split: Split, _folder: Path) -> dict[str, Scored]:
    """EASE (Steck 2019): B = −P / diag(P) off the diagonal, P the inverse of the item co-occurrences plus λ; scores are x B."""
    began = time.monotonic()
    data = split.data
    num_items = len(data.item_ids)
    seen_UN = np.zeros((data.num_users, num_items), np.float32)
    seen_UN[data.users_E[split.train_E], data.items_E[split.train_E]] = 1.0
    gram_NN = torch.from_numpy(seen_UN.T @ seen_UN) + EASE_REGULARISATION[data.name] * torch.eye(num_items)
    inverse_NN = torch.linalg.inv(gram_NN)
    weights_NN = (-inverse_NN / inverse_NN.diag()).fill_diagonal_(0.0)
    seconds = time.monotonic() - began
    seen_UN[data.users_E[split.history_E], data.items_E[split.history_E]] = 1.0
    ndcg: list[float] = []
    target_U = test_items(split)
    for start in range(0, data.num_users, 1000):
        rows_BN = torch.from_numpy(seen_UN[start : start + 1000])
        scores_BN = (rows_BN @ weights_NN).masked_fill(rows_BN > 0, float("-inf"))
        ndcg += ndcg_of(scores_BN, target_U[start : start + 1000])
    return {"EASE": Scored(ndcg_U=ndcg, seconds=seconds)}


def test_items(split: Split) -> NDArray[np.int64]:
    """Return each user's test item, −1 for a user without one."""
    target_U = np.full(split.data.num_users, -1, np.int64)
    target_U[split.data.users_E[split.test_E]] = split.data.items_E[split.test_E]
    return target_U


def ndcg_of(scores_BN: torch.Tensor, target_B: NDArray[np.int64]) -> list[float]:
    """Return NDCG@10 of each row; a tie counts against us. An item seen before (it scores −∞) can't be found."""
    own_B1 = scores_BN.gather(1, torch.from_numpy(target_B).unsqueeze(1))
    place_B = (scores_BN >= own_B1).sum(1)  # 1 when nothing is as high
    gain_B = torch.where((place_B <= 10) & own_B1.squeeze(1).isfinite(), 1.0 / torch.log2(place_B + 1.0), 0.0)
    return [float(gain) for gain in gain_B]


def rating_measures(data: RatingsSet, folder: Path) -> list[Measure]:
    """Train on the first 80 % of the timeline and predict the ratings of the rest, each before it is known."""
    cut = round(0.8 * len(data.users_E))
    first_E = np.arange(len(data.users_E)) < cut
    config = CONFIGS[data.name]
    torch.set_num_threads(config.num_threads)
    snapshot = write_snapshot(folder / "snapshot", data, Roles(target_E=first_E), mode="full")
    bundle, seconds = train_bundle(snapshot, config, folder / "candidate", text_cache=WORK / "texts")
    errors = rating_errors(data, ~first_E, first_E, bundle, config, folder=folder)
    mean_item = {item: float(data.ratings_E[first_E & (data.items_E == item)].mean()) for item in np.unique(data.items_E[first_E])}
    overall = float(data.ratings_E[first_E].mean())
    predicted = np.array([mean_item.get(item, overall) for item in data.items_E[~first_E]])
    errors["item mean (static)"] = (predicted - data.ratings_E[~first_E]) ** 2
    return [
        Measure(
            metric="RMSE",
            value=float(np.sqrt(squares.mean())),
            unit="stars",
            protocol=RATINGS_PROTOCOL,
            model=name,
            set=data.name,
            seconds=seconds if name == "Freshet" else None,
            note=f"{len(squares):,} ratings",
        )
        for name, squares in errors.items()
    ]


def ranking_measures(split: Split, models: Sequence[Callable[[Split, Path], dict[str, Scored]]]) -> list[Measure]:
    """Score all models on one split."""
    measures = []
    for model in models:
        scored = _kept(split, model)
        for name, found in scored.items():
            ndcg_U = np.array(found.ndcg_U)
            for metric, values_U in (("NDCG@10", ndcg_U), ("HR@10", (ndcg_U > 0).astype(float))):
                shown = figure(values_U)
                measures.append(_measure(split.data.name, name, metric, shown, found.seconds))
                print(f"{split.data.name:8} {name:18} {metric:8} {shown.value:.4f} [{shown.low:.4f}, {shown.high:.4f}]", flush=True)
    return measures


def _measure(data: str, model: str, metric: str, shown: Figure, seconds: float) -> Measure:
    return Measure(
        metric=metric,
        value=shown.value,
        low=shown.low,
        high=shown.high,
        unit="1",
        protocol=PROTOCOL,
        model=model,
        set=data,
        seeds=1,
        seconds=seconds,
    )


def _kept(split: Split, model: Callable[[Split, Path], dict[str, Scored]]) -> dict[str, Scored]:
    """Return what an earlier run found with the same code and configuration, or find it now."""
    key = hashlib.sha256(
        f"{code_digest('bench/quality.py', 'bench/peers.py')} {model.__name__} {CONFIGS[split.data.name]}".encode()
    ).hexdigest()[:12]
    folder = WORK / "quality" / f"{split.data.name}-{model.__name__}-{key}"
    kept = folder / "scores.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "snapshot", ignore_errors=True)
        found = model(split, folder)
        kept.write_text(json.dumps({name: asdict(one) for name, one in found.items()}))
    return {name: Scored(**one) for name, one in json.loads(kept.read_text()).items()}


def code_digest(*more: str) -> str:
    """Name the code that decides the results: what is committed of recommender, trainer and bench, with what differs from it."""
    trees = ["recommender", "trainer", *(f"bench/{name}.py" for name in ("sets", "snapshots", "offline")), *more]
    said = [["git", "rev-parse", f"HEAD:{tree}"] for tree in trees] + [["git", "diff", "HEAD", "--", *trees]]
    answers = [subprocess.run(one, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False).stdout for one in said]
    return hashlib.sha256("".join(answers).encode()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Ranking and rating quality beside other models.")
    parser.add_argument("--sets", default=",".join(SETS), help=f"which sets, of {', '.join(SETS)}")
    parser.add_argument("--without-peers", action="store_true", help="leave out RecTools, which takes an environment of its own (5 GB)")
    given = parser.parse_args(arguments)
    models = [freshet, ease, *([] if given.without_peers else [sasrec, hstu])]
    measures: list[Measure] = []
    for name in given.sets.split(","):
        data = load_set(name)
        measures += ranking_measures(split_of(data), models)
        if not np.isnan(data.ratings_E).all():
            folder = WORK / "ratings" / f"{name}-{commit()}-{time.monotonic_ns()}"
            folder.mkdir(parents=True)
            measures += rating_measures(data, folder)
    save("quality", given.sets.replace(",", ", "), measures, command=COMMAND)


def sasrec(split: Split, folder: Path) -> dict[str, Scored]:
    """RecTools' SASRec with softmax loss."""
    return _peer("SASRec", split, folder)


def hstu(split: Split, folder: Path) -> dict[str, Scored]:
    """RecTools' HSTU."""
    return _peer("HSTU", split, folder)


def _peer(name: str, split: Split, folder: Path) -> dict[str, Scored]:
    tops, seconds = peers.top_ten(name, split.data, train_E=split.train_E, history_E=split.history_E, folder=folder)
    target_U = test_items(split)
    ndcg = [1.0 / np.log2(top.index(target) + 2.0) if target in top else 0.0 for top, target in zip(tops, target_U.tolist(), strict=True)]
    return {f"RecTools {name}": Scored(ndcg_U=ndcg, seconds=seconds)}


if __name__ == "__main__":
    main()
