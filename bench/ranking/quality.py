"""Ranking and rating quality of Freshet and other models, on the same split in the same run.

    .venv/bin/python -m bench quality [--sets ml-100k,ml-1m,beauty] [--seeds 0] [--threads 1]
                                      [--settings deploy/gpu.toml] [--tuning]

Ranking is leave-one-out over all items, seen ones filtered, against popularity, EASE, RecTools'
SASRec and HSTU, and the model that the project began with. Ratings are compared with means, biases
and an SVD. Seconds of training are the processor's, those of ratings the clock's; ours include the
encoding of all texts.

`--tuning` is for choosing configurations, regularisation and epochs: it trains without the last two
events of each user, asks for the last but one, and writes no results. `--settings` measures ours
alone, with the `[train]` of a settings file (environment variables included) on its device, instead
of contestants/configs.py, which is for the CPU; its rows have the file's name. Finished parts are
kept in var/bench. What `--without-ranking` or `--without-ratings` leaves out keeps its rows in the
results.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bench.contestants.configs import CONFIGS, sketch_config
from bench.contestants.ease import EASE_REGULARISATION, ease, popularity
from bench.contestants.offline import mean_interval, train_bundle, training_seconds, user_scores
from bench.contestants.peers import PEERS, VERSIONS, PeerTraining, rankings
from bench.data.leave_one_out import RankingResult, Split, split_of
from bench.data.sets import load_set
from bench.data.snapshots import Roles, write_snapshot
from bench.ranking.ratings import rating_metrics
from bench.report.kept import code_digest, data_digest, files_digest, kept_part
from bench.report.labels import FRESHET, SKETCH
from bench.report.rows import BenchMetric, save
from cron.settings.file import load_settings
from trainer.config import TrainConfig

COMMAND = "python -m bench quality"
SETS = ("ml-100k", "ml-1m", "beauty")
REGULARISATIONS = (30.0, 100.0, 300.0, 500.0, 1000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a run; with `settings` Freshet runs alone, with that file's [train]."""

    seeds: Sequence[int]
    threads: int
    peers: bool
    settings: Path | None

    @property
    def ours_alone(self) -> str | None:
        """Freshet's name in tables with a settings file; None without one."""
        return None if self.settings is None else f"{FRESHET}, {self.settings.name}"

    def config(self, name: str) -> TrainConfig:
        """Return Freshet's configuration on a set."""
        config = (
            CONFIGS[name]
            if self.settings is None
            else load_settings(self.settings, os.environ).settings.train
        )
        return replace(config, num_threads=self.threads)


def freshet(split: Split, config: TrainConfig, *, run: str = "1") -> RankingResult:
    """Train with the product's trainer and rank with its ranker, or take what is kept.

    Another `run` trains again.
    """
    decided_by = (
        code_digest("bench/data/leave_one_out.py"),
        data_digest(split.data),
        split.protocol,
        config,
        run,
    )
    stage = "-tuning" if split.tuning else ""
    name = f"quality/{split.data.name}-{config.model.tower}{stage}-{config.seed}"
    kept = kept_part(name, decided_by, lambda folder: _train_and_rank(split, config, folder))
    assert isinstance(kept, dict)
    return RankingResult(**kept)


def _train_and_rank(split: Split, config: TrainConfig, folder: Path) -> object:
    # Start from scratch after an interruption, since the seconds spent before it are lost.
    for name in ("snapshot", "candidate", "candidate.partial", "texts"):
        shutil.rmtree(folder / name, ignore_errors=True)
    snapshot = write_snapshot(
        folder / "snapshot",
        split.data,
        Roles(target_E=split.train_E),
        mode="full",
        seed=config.seed,
    )
    # With an empty cache the seconds are those of a first training, which encodes all texts.
    bundle, cpu_s = train_bundle(
        snapshot, config, folder / "candidate", text_cache=folder / "texts"
    )
    scores = user_scores(split.data, split.asked_E, split.train_E, bundle, config, folder=folder)
    return asdict(
        RankingResult(
            ndcg_U=scores["candidate"].tolist(),
            seconds=training_seconds(folder / "candidate"),
            cpu_s=cpu_s,
        )
    )


def simple_models(split: Split) -> dict[str, RankingResult]:
    """Return popularity and EASE, in the tuning stage EASE with each regularisation."""
    strengths = REGULARISATIONS if split.tuning else (EASE_REGULARISATION[split.data.name],)
    code = (
        files_digest("bench/contestants/ease.py", "bench/data/leave_one_out.py"),
        data_digest(split.data),
        split.protocol,
    )
    found = {
        "popularity": kept_part(
            f"quality/{split.data.name}-popularity", code, lambda _: asdict(popularity(split))
        )
    }
    for strength in strengths:
        name = f"EASE {strength:.0f}" if split.tuning else "EASE"
        part = f"quality/{split.data.name}-ease-{strength:.0f}"
        found[name] = kept_part(
            part,
            (*code, strength),
            lambda _, strength=strength: asdict(ease(split, strength)),  # type: ignore[misc]
        )
    return {name: RankingResult(**one) for name, one in found.items() if isinstance(one, dict)}


def ranking_metrics(split: Split, options: Options) -> list[BenchMetric]:
    """Score all models on one split.

    An interval is by bootstrap over users, of the mean over seeds.
    """
    config = options.config(split.data.name)
    seeded = [replace(config, seed=seed) for seed in options.seeds]
    metrics = _metrics(
        split, options.ours_alone or FRESHET, [freshet(split, one) for one in seeded]
    )
    if options.settings is not None:
        return metrics
    metrics += _metrics(split, SKETCH, [freshet(split, sketch_config(one)) for one in seeded])
    for name, scored in simple_models(split).items():
        metrics += _metrics(split, name, [scored])
    for peer in PEERS[split.data.name] if options.peers else ():
        runs = [
            rankings(PeerTraining(peer=peer, seed=seed, threads=options.threads), split)
            for seed in options.seeds
        ]
        for answers in zip(*runs, strict=True):
            name = f"{peer.name}, {answers[0].epoch} epochs" if split.tuning else peer.name
            metrics += _metrics(
                split, name, [answer.scored for answer in answers], versions=VERSIONS
            )
    return metrics


def _metrics(
    split: Split,
    model: str,
    runs: Sequence[RankingResult],
    *,
    versions: Mapping[str, str] | None = None,
) -> list[BenchMetric]:
    ndcg_SU = np.array([run.ndcg_U for run in runs])
    metrics = []
    for metric, value_SU in (("NDCG@10", ndcg_SU), ("HR@10", (ndcg_SU > 0).astype(float))):
        shown, by_seed = mean_interval(value_SU.mean(0)), value_SU.mean(1)
        spread = f", seeds {by_seed.min():.4f} to {by_seed.max():.4f}" if len(runs) > 1 else ""
        metrics.append(
            BenchMetric(
                metric=metric,
                value=shown.value,
                low=shown.low,
                high=shown.high,
                unit="1",
                protocol=split.protocol,
                model=model,
                set=split.data.name,
                seeds=len(runs),
                seconds=float(np.mean([run.cpu_s for run in runs])),
                note=f"{value_SU.shape[1]:,} users{spread}",
                versions=versions,
            )
        )
        print(
            f"{split.data.name:8} {model:28} {metric:8} {shown.value:.4f}"
            f" [{shown.low:.4f}, {shown.high:.4f}]"
            f"  {metrics[-1].seconds:.0f} s{spread}",
            flush=True,
        )
    return metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.without_ranking and given.without_ratings:
        parser.error("with --without-ranking and --without-ratings nothing is left to measure")
    options = Options(
        seeds=[int(seed) for seed in given.seeds.split(",")],
        threads=given.threads,
        peers=not given.without_peers,
        settings=given.settings,
    )
    metrics: list[BenchMetric] = []
    for name in given.sets.split(","):
        data = load_set(name, given.path)
        if not given.without_ranking:
            metrics += ranking_metrics(split_of(data, tuning=given.tuning), options)
        if not given.without_ratings and not np.isnan(data.ratings_E).all():
            metrics += rating_metrics(
                data,
                options.config(name),
                seeds=options.seeds,
                tuning=given.tuning,
                alone_as=options.ours_alone,
            )
    if not given.tuning:
        save("quality", given.sets.replace(",", ", "), metrics, command=COMMAND)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Ranking and rating quality of Freshet and other models."
    )
    parser.add_argument("--sets", default=",".join(SETS), help=f"the sets, of {', '.join(SETS)}")
    parser.add_argument("--seeds", default="0", help="the seeds; values are means over them")
    parser.add_argument("--threads", type=int, default=1, help="threads of every training")
    parser.add_argument(
        "--settings",
        type=Path,
        help="a settings file whose [train] replaces contestants/configs.py; measures ours alone",
    )
    parser.add_argument(
        "--path",
        type=Path,
        help="the folder of the set, if there is one set and FRESHET_DATA does not have it",
    )
    parser.add_argument(
        "--without-peers",
        action="store_true",
        help="leave out RecTools, which needs an environment of its own (5 GB)",
    )
    parser.add_argument(
        "--without-ranking", action="store_true", help="leave out the ranking, and with it RecTools"
    )
    parser.add_argument(
        "--without-ratings", action="store_true", help="leave out the prediction of ratings"
    )
    parser.add_argument(
        "--tuning",
        action="store_true",
        help="score on the events for choosing configurations; write no results",
    )
    return parser
