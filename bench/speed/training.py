"""Training speed of Freshet and of RecTools' SASRec.

    .venv/bin/python -m bench training [--sets ml-100k] [--threads 1] [--seed 0] [--run 1]

Interactions a second, and the time to a quality. Both train on the same cores with the same number
of threads. Quality is NDCG@10 on the tuning event of leave-one-out, full ranking. RecTools is
ranked every few epochs of one training; preparation and rankings do not count. Ours is trained from
scratch for each number of epochs, because its learning rate falls over all of them; reading,
encoding all texts and writing count. The time to a quality is that of the first ranking that
reaches it. With one thread, processor time is fair on a busy machine; wall time needs a quiet one.
Results are kept in var/bench; another `--run` measures again. The model that the project began with
is listed with its rate and its quality after our longest training.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.contestants.configs import CONFIGS, sketch_config
from bench.contestants.peers import PEERS, VERSIONS, PeerTraining, rankings
from bench.data.leave_one_out import RankingResult, Split, split_of
from bench.data.sets import load_set
from bench.ranking.quality import freshet
from bench.report.labels import FRESHET, SKETCH, TRAINING
from bench.report.rows import BenchMetric, save
from trainer.config import TrainConfig

COMMAND = "python -m bench training"
EPOCHS = {
    "ml-100k": (2, 3, 4, 6, 8, 10, 14),
    "ml-1m": (3, 6, 10, 15, 20),
    "beauty": (3, 6, 10, 15, 20),
}
SHARES = (0.9, 0.95, 1.0)  # of the best that RecTools reaches


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What a contestant reached after each number of epochs, in order.

    `interactions` is the number of events that one epoch learns from.
    """

    model: str
    interactions: int
    epochs: Sequence[int]
    scored: Sequence[RankingResult]

    @property
    def ndcg(self) -> list[float]:
        """Mean NDCG@10 after each number of epochs."""
        return [float(np.mean(one.ndcg_U)) for one in self.scored]

    def first(self, target: float) -> RankingResult | None:
        """Return the shortest training that reached the target; None if none did."""
        return next(
            (one for one, ndcg in zip(self.scored, self.ndcg, strict=True) if ndcg >= target), None
        )

    def per_second(self, kind: str) -> float:
        """Return the interactions a second of the longest training; `kind` is seconds or cpu_s."""
        spent: float = getattr(self.scored[-1], kind)
        return self.interactions * self.epochs[-1] / spent


def our_curve(
    split: Split, config: TrainConfig, epochs: Sequence[int], *, model: str = FRESHET, run: str
) -> Curve:
    """Train Freshet for each number of epochs."""
    scored = [freshet(split, replace(config, full_epochs=number), run=run) for number in epochs]
    return Curve(model=model, interactions=int(split.train_E.sum()), epochs=epochs, scored=scored)


def peer_curve(training: PeerTraining, split: Split) -> Curve:
    """Train a peer once.

    It learns from each user's newest events only: as many as it reads, and one more.
    """
    answers = rankings(training, split)
    events_U = np.bincount(split.data.users_E[split.train_E])
    return Curve(
        model=training.peer.name,
        interactions=int(np.minimum(events_U, training.peer.max_history + 1).sum()),
        epochs=[answer.epoch for answer in answers],
        scored=[answer.scored for answer in answers],
    )


def metrics_of(name: str, ours: Curve, theirs: Curve, sketch: Curve) -> list[BenchMetric]:
    """Return rates, times to the shares of the peer's best, their ratios, and all curves."""
    common = {"set": name, "protocol": TRAINING, "seeds": 1}
    rows = []
    for kind, unit in (("cpu_s", "processor s"), ("seconds", "s")):
        rates = {curve.model: curve.per_second(kind) for curve in (ours, theirs, sketch)}
        rows += [
            _row(common, model, f"interactions a {unit}", rate) for model, rate in rates.items()
        ]
        rows.append(
            _row(common, "ratio", f"interactions a {unit}", rates[ours.model] / rates[theirs.model])
        )
        for share in SHARES:
            rows += _times(common, ours, theirs, share, kind=kind, unit=unit)
    for curve in (ours, theirs, sketch):
        for epochs, ndcg, scored in zip(curve.epochs, curve.ndcg, curve.scored, strict=True):
            rows.append(
                _row(
                    common | {"seconds": scored.seconds},
                    curve.model,
                    f"NDCG@10, epochs: {epochs}",
                    ndcg,
                )
            )
    return rows


def _times(
    common: dict[str, object], ours: Curve, theirs: Curve, share: float, *, kind: str, unit: str
) -> list[BenchMetric]:
    """Return the times to a share of the peer's best, and their ratio if ours reached it."""
    target = share * max(theirs.ndcg)
    metric = f"{unit} to NDCG@10 {target:.4f}, {100 * share:.0f} % of {theirs.model}'s best"
    times = {}
    for curve in (ours, theirs):
        first = curve.first(target)
        if first is not None:
            times[curve.model] = float(getattr(first, kind))
    rows = [_row(common, model, metric, one) for model, one in times.items()]
    if len(times) == 2:
        rows.append(_row(common, "ratio", metric, times[theirs.model] / times[ours.model]))
    return rows


def _row(common: dict[str, object], model: str, metric: str, value: float) -> BenchMetric:
    versions = VERSIONS if model.startswith("RecTools") else None
    return BenchMetric(
        metric=metric,
        value=value,
        unit="1",
        model=model,
        versions=versions,
        **common,  # type: ignore[arg-type]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Training speed of Freshet and of RecTools' SASRec."
    )
    parser.add_argument("--sets", default="ml-100k", help=f"the sets, of {', '.join(EPOCHS)}")
    parser.add_argument("--threads", type=int, default=1, help="threads of each")
    parser.add_argument("--seed", type=int, default=0, help="seed of each")
    parser.add_argument(
        "--run",
        default="1",
        help="a name; another run measures again instead of taking what is kept",
    )
    given = parser.parse_args(arguments)
    found: list[BenchMetric] = []
    for name in given.sets.split(","):
        split = split_of(load_set(name), tuning=True)
        sasrec = next(peer for peer in PEERS[name] if peer.model == "SASRec")
        theirs = peer_curve(
            PeerTraining(peer=sasrec, seed=given.seed, threads=given.threads, run=given.run), split
        )
        config = replace(CONFIGS[name], seed=given.seed, num_threads=given.threads)
        ours = our_curve(split, config, EPOCHS[name], run=given.run)
        sketch = our_curve(
            split, sketch_config(config), EPOCHS[name][-1:], model=SKETCH, run=given.run
        )
        found += metrics_of(name, ours, theirs, sketch)
    for one in found:
        print(f"{one.set:8} {one.model:18} {one.metric:60} {one.value:,.4f}")
    save("training", given.sets.replace(",", ", "), found, command=COMMAND)
