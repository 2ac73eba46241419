"""Ranking and ratings beside other models, on the same split in the same run.

    .venv/bin/python -m bench quality [--sets ml-100k,ml-1m,beauty] [--seeds 0] [--threads 1] [--settings deploy/gpu.toml] [--tuning]

Ranking: leave-one-out (bench.leave_one_out), full ranking over all items, seen ones filtered,
beside the project's first sketch, popularity, EASE, RecTools' SASRec and HSTU (bench.peers).
Ratings (bench.ratings) beside means, biases and an SVD. Seconds of training are the processor's,
those of ratings the clock's; ours encode all texts in them. `--tuning` writes no results: it trains
without the last two events of each user and asks for the last but one, for choosing configurations,
regularisation, epochs. `--settings` measures ours alone, by the `[train]` of a settings file,
environment variables included, on the device that it names, instead of the configuration in
bench/contestants/configs.py, which is the CPU's; its rows bear the file's name. Finished parts are kept in
var/bench by what decides them; what `--without-ranking` or `--without-ratings` leaves out keeps its
rows in the results.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bench.contestants.configs import CONFIGS, SKETCH, sketch_config
from bench.contestants.ease import EASE_REGULARISATION, ease, popularity
from bench.contestants.offline import figure, train_bundle, training_seconds, user_scores
from bench.contestants.peers import PEERS, VERSIONS, Training, rankings
from bench.data.leave_one_out import Scored, Split, split_of
from bench.data.sets import load_set
from bench.data.snapshots import Roles, write_snapshot
from bench.ranking.ratings import OURS, rating_measures
from bench.report.kept import code_digest, data_digest, files_digest, kept_part
from bench.report.rows import Measure, save
from cron.settings.file import load_settings
from trainer.config import TrainConfig

COMMAND = "python -m bench quality"
SETS = ("ml-100k", "ml-1m", "beauty")
REGULARISATIONS = (30.0, 100.0, 300.0, 500.0, 1000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is asked for."""

    seeds: Sequence[int]
    threads: int
    peers: bool
    settings: Path | None  # ours alone, by this file; the others don't depend on it

    @property
    def ours_alone(self) -> str | None:
        """Name what a settings file makes, in tables; None where ours stands beside the others."""
        return None if self.settings is None else f"{OURS}, {self.settings.name}"

    def config(self, name: str) -> TrainConfig:
        """Return how ours is trained on a set."""
        config = (
            CONFIGS[name]
            if self.settings is None
            else load_settings(self.settings, os.environ).settings.train
        )
        return replace(config, num_threads=self.threads)


def freshet(split: Split, config: TrainConfig, *, run: str = "1") -> Scored:
    """Train with the product's trainer, rank with its ranker; another `run` measures anew what is kept of this one."""
    decided_by = (
        code_digest("bench/data/leave_one_out.py"),
        data_digest(split.data),
        split.protocol,
        config,
        run,
    )
    stage = "-tuning" if split.tuning else ""
    name = f"quality/{split.data.name}-{config.model.tower}{stage}-{config.seed}"
    kept = kept_part(name, decided_by, lambda folder: _trained(split, config, folder))
    assert isinstance(kept, dict)
    return Scored(**kept)


def _trained(split: Split, config: TrainConfig, folder: Path) -> object:
    for name in (
        "snapshot",
        "candidate",
        "candidate.partial",
        "texts",
    ):  # of a run that was cut off: what it had spent nobody knows
        shutil.rmtree(folder / name, ignore_errors=True)
    snapshot = write_snapshot(
        folder / "snapshot",
        split.data,
        Roles(target_E=split.train_E),
        mode="full",
        seed=config.seed,
    )
    # with a cache of its own the seconds are those of a first training, which encodes all texts
    bundle, cpu_s = train_bundle(
        snapshot, config, folder / "candidate", text_cache=folder / "texts"
    )
    scores = user_scores(split.data, split.asked_E, split.train_E, bundle, config, folder=folder)
    return asdict(
        Scored(
            ndcg_U=scores["candidate"].tolist(),
            seconds=training_seconds(folder / "candidate"),
            cpu_s=cpu_s,
        )
    )


def simple_models(split: Split) -> dict[str, Scored]:
    """Return popularity and EASE; while tuning EASE with each regularisation."""
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
    return {name: Scored(**one) for name, one in found.items() if isinstance(one, dict)}


def ranking_measures(split: Split, options: Options) -> list[Measure]:
    """Score all models on one split; an interval is by bootstrap over users, of the mean over seeds."""
    config = options.config(split.data.name)
    seeded = [replace(config, seed=seed) for seed in options.seeds]
    measures = _measures(split, options.ours_alone or OURS, [freshet(split, one) for one in seeded])
    if options.settings is not None:
        return measures
    measures += _measures(split, SKETCH, [freshet(split, sketch_config(one)) for one in seeded])
    for name, scored in simple_models(split).items():
        measures += _measures(split, name, [scored])
    for peer in PEERS[split.data.name] if options.peers else ():
        runs = [
            rankings(Training(peer=peer, seed=seed, threads=options.threads), split)
            for seed in options.seeds
        ]
        for answers in zip(*runs, strict=True):
            name = f"{peer.name}, {answers[0].epoch} epochs" if split.tuning else peer.name
            measures += _measures(
                split, name, [answer.scored for answer in answers], versions=VERSIONS
            )
    return measures


def _measures(
    split: Split, model: str, runs: Sequence[Scored], *, versions: Mapping[str, str] | None = None
) -> list[Measure]:
    ndcg_SU = np.array([run.ndcg_U for run in runs])
    measures = []
    for metric, value_SU in (("NDCG@10", ndcg_SU), ("HR@10", (ndcg_SU > 0).astype(float))):
        shown, by_seed = figure(value_SU.mean(0)), value_SU.mean(1)
        spread = f", seeds {by_seed.min():.4f} to {by_seed.max():.4f}" if len(runs) > 1 else ""
        measures.append(
            Measure(
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
            f"{split.data.name:8} {model:28} {metric:8} {shown.value:.4f} [{shown.low:.4f}, {shown.high:.4f}]"
            f"  {measures[-1].seconds:.0f} s{spread}",
            flush=True,
        )
    return measures


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Ranking and rating quality beside other models."
    )
    parser.add_argument("--sets", default=",".join(SETS), help=f"which sets, of {', '.join(SETS)}")
    parser.add_argument("--seeds", default="0", help="which seeds; figures are means over them")
    parser.add_argument("--threads", type=int, default=1, help="threads of whatever is trained")
    parser.add_argument(
        "--settings",
        type=Path,
        help="a settings file whose [train] is measured instead of bench/contestants/configs.py, ours alone",
    )
    parser.add_argument(
        "--path",
        type=Path,
        help="where the set lies, if one set is asked for and FRESHET_DATA does not have it",
    )
    parser.add_argument(
        "--without-peers",
        action="store_true",
        help="leave out RecTools, which takes an environment of its own (5 GB)",
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
        help="score on the events that are there for choosing; write nothing",
    )
    given = parser.parse_args(arguments)
    if given.without_ranking and given.without_ratings:
        parser.error("with --without-ranking and --without-ratings nothing is left to measure")
    options = Options(
        seeds=[int(seed) for seed in given.seeds.split(",")],
        threads=given.threads,
        peers=not given.without_peers,
        settings=given.settings,
    )
    measures: list[Measure] = []
    for name in given.sets.split(","):
        data = load_set(name, given.path)
        if not given.without_ranking:
            measures += ranking_measures(split_of(data, tuning=given.tuning), options)
        if not given.without_ratings and not np.isnan(data.ratings_E).all():
            measures += rating_measures(
                data,
                options.config(name),
                seeds=options.seeds,
                tuning=given.tuning,
                alone_as=options.ours_alone,
            )
    if not given.tuning:
        save("quality", given.sets.replace(",", ", "), measures, command=COMMAND)
