"""The search behind the benches' configurations and the product's defaults.

    .venv/bin/python -m bench tune ml-100k --try full_lr=3e-3,6e-3 --try model.dropout=0.1,0.2,0.3
    .venv/bin/python -m bench tune beauty --random 20
    .venv/bin/python -m bench tune ml-100k --on stream --try full_epochs=6,12,24 --seeds 0,1,2
    .venv/bin/python -m bench tune ml-100k --on updates --try update_lr=2e-3,4e-3,8e-3 --seeds 0,1

It trains every combination of the `--try` values (of SPACE without any), or `--random N` of them. A
field that is not named is as in contestants/configs.py. Trials are scored on events for choosing,
never on the test:

* `tuning`: leave-one-out without each user's last two events; the last but one is asked for;
* `stream`: the last fifth of the base of `python -m bench prequential`, after training on the rest;
* `updates`: the same fifth in ten windows, with an update after each if the gate accepts it.

The table is var/bench/tune/SET.csv, best first. A trial with the same code, data, configuration and
seed is not trained again, so an interrupted search continues.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import itertools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_type_hints

import numpy as np
import torch

from bench.contestants.configs import CONFIGS, STREAM_CONFIGS
from bench.contestants.offline import (
    event_ndcg,
    mean_interval,
    train_bundle,
    training_seconds,
    user_scores,
)
from bench.data.leave_one_out import split_of
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Flags, Roles, write_snapshot
from bench.ranking.stream import BASE_SHARE, stream_of
from bench.ranking.stream_lines import train_line, update_line
from bench.report.kept import code_digest, data_digest, kept_part, work_folder
from cron.errors import SettingsError
from cron.settings.keys import settings_leaves
from cron.settings.values import check_value, from_text
from recommender.bundle import load_bundle
from recommender.config import EncoderConfig, ModelConfig
from trainer.config import TrainConfig
from trainer.machine.durable_files import replacing

COMMAND = "python -m bench tune"
SPACE: Mapping[str, Sequence[str]] = {
    "full_lr": ("3e-3", "6e-3", "12e-3"),
    "full_epochs": ("6", "12", "24"),
    "batch_size": ("16", "32", "64"),
    "weight_decay": ("0.01", "0.1"),
    "model.dim": ("64", "128"),
    "model.dropout": ("0.1", "0.2", "0.3", "0.4"),
}
PARTS = {"model": ModelConfig, "encoder": EncoderConfig}
LEARNED_SHARE = 0.8  # the share of the stream's base that is trained on
NUM_UPDATE_WINDOWS = 10  # of the last fifth of the base
CODE = (
    "bench/data/leave_one_out.py",
    "bench/ranking/stream.py",
    "bench/ranking/stream_lines.py",
    "cron/snapshot/timeline.py",
)
COLUMNS = ("on", "changes", "ndcg", "low", "high", "accepted", "seeds", "seconds", "code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a configuration is scored on: the events to learn from, and those that are asked."""

    data: RatingsSet
    on: str
    train_E: Flags
    asked_E: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A configuration, and its changes to contestants/configs.py as on the command line."""

    changes: str
    config: TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """NDCG@10 as the mean over users and seeds, its interval, and the seconds of one training.

    The interval is by bootstrap over users. With `updates` it is over windows, the seconds are of
    all updates, and `accepted` is the share of updates that the gate accepted.
    """

    changes: str
    ndcg: float
    low: float
    high: float
    seeds: int
    seconds: float
    accepted: float | None = None


def question_of(data: RatingsSet, on: str) -> Question:
    """Return what is learned and what is asked.

    The last event of a user, and the windows of the stream, are in neither.
    """
    if on == "tuning":
        split = split_of(data, tuning=True)
        return Question(data=data, on=on, train_E=split.train_E, asked_E=split.asked_E)
    places_E = np.arange(len(data.users_E))
    base = int(BASE_SHARE * len(places_E))
    learned = int(LEARNED_SHARE * base)
    return Question(
        data=data,
        on=on,
        train_E=places_E < learned,
        asked_E=(places_E >= learned) & (places_E < base),
    )


def trials_of(
    config: TrainConfig, tries: Mapping[str, Sequence[str]], *, random: int | None
) -> list[Trial]:
    """Return the combinations of the tries, or `random` of them, always the same ones.

    Raise SettingsError for a wrong field or value.
    """
    combinations = list(
        itertools.product(*([(name, text) for text in texts] for name, texts in tries.items()))
    )
    if random is not None and random < len(combinations):
        chosen = np.random.default_rng(0).choice(len(combinations), size=random, replace=False)
        combinations = [combinations[number] for number in chosen]
    return [
        Trial(
            changes=" ".join(f"{name}={text}" for name, text in changes),
            config=with_changes(config, dict(changes)),
        )
        for changes in combinations
    ]


def with_changes(config: TrainConfig, changes: Mapping[str, str]) -> TrainConfig:
    """Return the configuration with some fields read from text; `model.dim` is a part's field.

    Raise SettingsError that names a wrong field.
    """
    for name, text in changes.items():
        part, _, field = name.rpartition(".")
        known = [
            *(one for one in get_type_hints(TrainConfig) if one not in PARTS),
            *(f"{p}.{f}" for p in PARTS for f in get_type_hints(PARTS[p])),
        ]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"--try {name}: no such field{hint}")
        leaf = settings_leaves()[f"train.{name}"]
        values = {field: check_value(f"train.{name}", from_text(text, leaf.hint), leaf, "--try")}
        config = replace(
            config, **{part: replace(getattr(config, part), **values)} if part else values
        )
    return config


def run_trial(question: Question, trial: Trial, seeds: Sequence[int]) -> TrialResult:
    """Train and score a trial with each seed, or take what is kept."""
    runs = []
    for seed in seeds:
        config = replace(trial.config, seed=seed)
        decided_by = (code_digest(*CODE), data_digest(question.data), question.on, config)
        score = _follow_updates if question.on == "updates" else _train_and_score
        found = kept_part(
            f"tune/{question.data.name}-{question.on}", decided_by, partial(score, question, config)
        )
        assert isinstance(found, dict)
        runs.append(found)
    shown = mean_interval(np.mean([run["ndcg"] for run in runs], axis=0))
    accepted = None
    if question.on == "updates":
        accepted = float(np.mean([run["accepted"] for run in runs]))
    return TrialResult(
        changes=trial.changes,
        ndcg=shown.value,
        low=shown.low,
        high=shown.high,
        seeds=len(seeds),
        seconds=float(np.mean([run["seconds"] for run in runs])),
        accepted=accepted,
    )


def _train_and_score(question: Question, config: TrainConfig, folder: Path) -> dict[str, object]:
    torch.set_num_threads(config.num_threads)
    snapshot = folder / "snapshot"
    if not snapshot.exists():
        write_snapshot(
            snapshot, question.data, Roles(target_E=question.train_E), mode="full", seed=config.seed
        )
    bundle, _ = train_bundle(
        snapshot, config, folder / "candidate", text_cache=work_folder() / "texts"
    )
    scores = user_scores(
        question.data, question.asked_E, question.train_E, bundle, config, folder=folder
    )
    found = {
        "ndcg": scores["candidate"].tolist(),
        "seconds": training_seconds(folder / "candidate"),
    }
    shutil.rmtree(folder / "candidate")
    return found


def _follow_updates(question: Question, config: TrainConfig, folder: Path) -> dict[str, object]:
    """Update a model after each window under the gate, as the stream does.

    No event after the base is read.
    """
    torch.set_num_threads(config.num_threads)
    base = _first_events(question.data, int(np.flatnonzero(question.asked_E)[-1]) + 1)
    stream = stream_of(base, NUM_UPDATE_WINDOWS, base_share=LEARNED_SHARE)
    line = train_line(
        stream, config, folder / "base", stream.between(0, stream.base) & ~stream.panel_E
    )
    ndcg, spent = [], line.seconds
    for window, (first, last) in enumerate(itertools.pairwise(stream.bounds)):
        asked_E, known_E = stream.between(first, last), stream.between(0, first)
        bundle = load_bundle(line.folder / "candidate" / "bundle")
        ndcg.append(
            event_ndcg(stream.data, asked_E, known_E, {"update": bundle}, config, folder=folder)[
                "update"
            ]
        )
        if last < stream.bounds[-1]:
            line = update_line(
                stream, line, folder / f"update-{window}", first, last, how="accepted"
            )
    for part in folder.iterdir():
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    return {
        "ndcg": ndcg,
        "seconds": line.seconds - spent,
        "accepted": line.num_accepted / line.num_updates,
    }


def _first_events(data: RatingsSet, num: int) -> RatingsSet:
    return replace(
        data,
        users_E=data.users_E[:num],
        items_E=data.items_E[:num],
        ratings_E=data.ratings_E[:num],
        at_s_E=data.at_s_E[:num],
    )


def write_table(question: Question, results: Sequence[TrialResult], path: Path) -> None:
    """Put results into the table, best first; rows of other trials and other code stay."""
    code = code_digest(*CODE)[:12]
    fresh = [
        {"on": question.on, "code": code, **{name: getattr(one, name) for name in COLUMNS[1:-1]}}
        for one in results
    ]
    names = {(question.on, code, one.changes, str(one.seeds)) for one in results}
    rows: list[dict[str, object]] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                dict(row)
                for row in csv.DictReader(file)
                if (row["on"], row["code"], row["changes"], row["seeds"]) not in names
            ]
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(
            sorted([*rows, *fresh], key=lambda row: (str(row["on"]), -float(str(row["ndcg"]))))
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and print each trial and the best of them."""
    parser = _parser()
    given = parser.parse_args(arguments)
    tries = {
        name: values.split(",") for name, _, values in (one.partition("=") for one in given.tries)
    } or SPACE
    configs = CONFIGS if given.on == "tuning" else STREAM_CONFIGS
    try:
        trials = trials_of(configs[given.set], tries, random=given.random)
    except SettingsError as error:
        parser.error(str(error))
    question = question_of(load_set(given.set), given.on)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    table = work_folder() / "tune" / f"{given.set}.csv"
    results: list[TrialResult] = []
    for number, trial in enumerate(trials, start=1):
        one = run_trial(question, trial, seeds)
        results.append(one)
        write_table(question, results, table)
        judged = "" if one.accepted is None else f"{one.accepted:4.0%} accepted  "
        print(
            f"{number:3}/{len(trials)}  {_interval(one)}  {one.seconds:5.0f} s"
            f"  {judged}{one.changes}",
            flush=True,
        )
    best = max(results, key=lambda one: one.ndcg)
    print(f"best of {len(results)}: {best.changes}  NDCG@10 {_interval(best)}; all in {table}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Try training configurations, scored on events for choosing them.",
    )
    parser.add_argument("set", choices=list(CONFIGS), help="the set")
    parser.add_argument(
        "--try",
        dest="tries",
        action="append",
        default=[],
        metavar="FIELD=VALUE,…",
        help="a field of [train] and its values",
    )
    parser.add_argument(
        "--random", type=int, help="try only this many combinations, drawn at random"
    )
    parser.add_argument(
        "--on",
        choices=("tuning", "stream", "updates"),
        default="tuning",
        help="the events to score on",
    )
    parser.add_argument("--seeds", default="0", help="the seeds; values are means over them")
    return parser


def _interval(one: TrialResult) -> str:
    return f"{one.ndcg:.4f} [{one.low:.4f}, {one.high:.4f}]"
