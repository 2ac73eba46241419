"""Training speed beside RecTools' SASRec: interactions a second, and time to equal quality, on the same cores with as many threads.

    .venv/bin/python -m bench training [--sets ml-100k] [--threads 1] [--seed 0] [--run 1]

Quality is NDCG@10 on the tuning event of leave-one-out, full ranking. RecTools is ranked every few
epochs of one training, whose preparation and rankings don't count; ours is trained anew for each
number of epochs, since its learning rate falls over the whole of them, and reading, encoding all
texts and writing count. Time to a quality is that of the first ranking that has it. With one
thread, processor time is fair on a machine that does other work as well; wall time is for a quiet
one. What was measured is kept in var/bench; another `--run` measures again. The project's first
sketch stands beside them with its rate and what it reaches in the longest of our trainings.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.contestants.configs import CONFIGS, SKETCH, sketch_config
from bench.contestants.peers import PEERS, VERSIONS, Training, rankings
from bench.data.leave_one_out import Scored, Split, split_of
from bench.data.sets import load_set
from bench.ranking.quality import freshet
from bench.report.rows import Measure, save
from trainer.config import TrainConfig

COMMAND = "python -m bench training"
PROTOCOL = "training to the tuning event"
OURS = "Freshet"
EPOCHS = {
    "ml-100k": (2, 3, 4, 6, 8, 10, 14),
    "ml-1m": (3, 6, 10, 15, 20),
    "beauty": (3, 6, 10, 15, 20),
}
SHARES = (0.9, 0.95, 1.0)  # of RecTools' best


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What a contestant reached after so many epochs, in order; `interactions` are those that one epoch learns from."""

    model: str
    interactions: int
    epochs: Sequence[int]
    scored: Sequence[Scored]

    @property
    def ndcg(self) -> list[float]:
        """Mean NDCG@10 after each number of epochs."""
        return [float(np.mean(one.ndcg_U)) for one in self.scored]

    def first(self, target: float) -> Scored | None:
        """Return the least training that reached the target; None when none did."""
        return next(
            (one for one, ndcg in zip(self.scored, self.ndcg, strict=True) if ndcg >= target), None
        )

    def per_second(self, kind: str) -> float:
        """Return interactions learned from a second, over the longest training; `kind` is seconds or cpu_s."""
        spent: float = getattr(self.scored[-1], kind)
        return self.interactions * self.epochs[-1] / spent


def our_curve(
    split: Split, config: TrainConfig, epochs: Sequence[int], *, model: str = OURS, run: str
) -> Curve:
    """Train ours for each number of epochs."""
    scored = [freshet(split, replace(config, full_epochs=number), run=run) for number in epochs]
    return Curve(model=model, interactions=int(split.train_E.sum()), epochs=epochs, scored=scored)


def peer_curve(training: Training, split: Split) -> Curve:
    """Train a peer once. It learns from the newest events of a user alone, as many as it reads and one more."""
    answers = rankings(training, split)
    events_U = np.bincount(split.data.users_E[split.train_E])
    return Curve(
        model=training.peer.name,
        interactions=int(np.minimum(events_U, training.peer.max_history + 1).sum()),
        epochs=[answer.epoch for answer in answers],
        scored=[answer.scored for answer in answers],
    )


def measures(name: str, ours: Curve, theirs: Curve, sketch: Curve) -> list[Measure]:
    """Return rates, times to the shares of the peer's best, their ratios, and all curves."""
    common = {"set": name, "protocol": PROTOCOL, "seeds": 1}
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
            rows += _times(common, (ours, theirs), share, (kind, unit))
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
    common: dict[str, object], curves: tuple[Curve, Curve], share: float, kind: tuple[str, str]
) -> list[Measure]:
    target = share * max(curves[1].ndcg)
    metric = f"{kind[1]} to NDCG@10 {target:.4f}, {100 * share:.0f} % of {curves[1].model}'s best"
    spent = [
        getattr(first, kind[0]) if (first := curve.first(target)) is not None else None
        for curve in curves
    ]
    rows = [
        _row(common, curve.model, metric, one)
        for curve, one in zip(curves, spent, strict=True)
        if one is not None
    ]
    if spent[0] is not None and spent[1] is not None:
        rows.append(_row(common, "ratio", metric, spent[1] / spent[0]))
    return rows


def _row(common: dict[str, object], model: str, metric: str, value: float) -> Measure:
    versions = VERSIONS if model.startswith("RecTools") else None
    return Measure(metric=metric, value=value, unit="1", model=model, versions=versions, **common)  # type: ignore[arg-type]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Training speed beside RecTools' SASRec."
    )
    parser.add_argument("--sets", default="ml-100k", help=f"which sets, of {', '.join(EPOCHS)}")
    parser.add_argument("--threads", type=int, default=1, help="threads of either")
    parser.add_argument("--seed", type=int, default=0, help="seed of either")
    parser.add_argument(
        "--run", default="1", help="a name; the trainings of another run are measured anew"
    )
    given = parser.parse_args(arguments)
    found: list[Measure] = []
    for name in given.sets.split(","):
        split = split_of(load_set(name), tuning=True)
        sasrec = next(peer for peer in PEERS[name] if peer.model == "SASRec")
        theirs = peer_curve(
            Training(peer=sasrec, seed=given.seed, threads=given.threads, run=given.run), split
        )
        config = replace(CONFIGS[name], seed=given.seed, num_threads=given.threads)
        ours = our_curve(split, config, EPOCHS[name], run=given.run)
        sketch = our_curve(
            split, sketch_config(config), EPOCHS[name][-1:], model=SKETCH, run=given.run
        )
        found += measures(name, ours, theirs, sketch)
    for one in found:
        print(f"{one.set:8} {one.model:18} {one.metric:60} {one.value:,.4f}")
    save("training", given.sets.replace(",", ", "), found, command=COMMAND)
