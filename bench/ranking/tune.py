"""The search behind the benches' configurations and the defaults: scored on events that are there for choosing, never on the test.

    .venv/bin/python -m bench tune ml-100k --try full_lr=3e-3,6e-3 --try model.dropout=0.1,0.2,0.3
    .venv/bin/python -m bench tune beauty --random 20
    .venv/bin/python -m bench tune ml-100k --on stream --try full_epochs=6,12,24 --seeds 0,1,2
    .venv/bin/python -m bench tune ml-100k --on updates --try update_lr=2e-3,4e-3,8e-3 --seeds 0,1

Trained is every combination of the `--try`s (without any, of SPACE) or `--random` so many of them;
a field that isn't named is as in bench.configs. Scored on the `tuning` event (leave-one-out without
each user's last two events, asked for the last but one), on the `stream`: the last fifth of what is
the base of bench.prequential, after training on the first four, or on `updates`: the same fifth in
ten windows, after each of which the model is updated if the product's gate accepts it. The table
lies in var/bench/tune/SET.csv, best first. A trial with the same code, data, configuration and seed
is not trained again, so a search that was cut off goes on.
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
    figure,
    train_bundle,
    training_seconds,
    user_scores,
)
from bench.data.leave_one_out import split_of
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Flags, Roles, write_snapshot
from bench.ranking.prequential import BASE_SHARE, stream_of, trained, updated
from bench.report.kept import WORK, code_digest, data_digest, kept_part
from cron.errors import SettingsError
from cron.settings.values import Leaf, checked, from_text
from recommender.bundle import load_bundle
from recommender.config import EncoderConfig, ModelConfig
from trainer.config import TrainConfig

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
LEARNED_SHARE = 0.8  # of the stream's base, what is trained on
NUM_UPDATE_WINDOWS = 10  # of the last fifth of the base
CODE = ("bench/data/leave_one_out.py", "bench/ranking/prequential.py", "cron/snapshot/timeline.py")
COLUMNS = ("on", "changes", "ndcg", "low", "high", "accepted", "seeds", "seconds", "code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a configuration is scored on: the events it learns from, and the ones it is asked."""

    data: RatingsSet
    on: str
    train_E: Flags
    asked_E: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A configuration, and what differs in it from bench.configs, as on the command line."""

    changes: str
    config: TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """NDCG@10 as the mean over users and seeds, its interval by bootstrap over users, and the seconds of one training.

    On `updates` windows stand in the users' place, the seconds are of all updates, and `accepted`
    is the share that the gate let in.
    """

    changes: str
    ndcg: float
    low: float
    high: float
    seeds: int
    seconds: float
    accepted: float | None = None


def question_of(data: RatingsSet, on: str) -> Question:
    """Return what is learned and asked. The last event of a user, and the windows of the stream, are in neither."""
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
    """Return the combinations of the tries, or so many of them drawn at random, always the same; raise SettingsError for a wrong one."""
    combinations = list(
        itertools.product(*([(name, text) for text in texts] for name, texts in tries.items()))
    )
    if random is not None and random < len(combinations):
        chosen = np.random.default_rng(0).choice(len(combinations), size=random, replace=False)
        combinations = [combinations[number] for number in chosen]
    return [
        Trial(
            changes=" ".join(f"{name}={text}" for name, text in changes),
            config=changed(config, dict(changes)),
        )
        for changes in combinations
    ]


def changed(config: TrainConfig, changes: Mapping[str, str]) -> TrainConfig:
    """Return a configuration with some fields read from text; `model.dim` is a field of a part. Raise SettingsError naming the field."""
    for name, text in changes.items():
        part, _, field = name.rpartition(".")
        hints = get_type_hints(PARTS.get(part, TrainConfig))
        known = [
            *(one for one in get_type_hints(TrainConfig) if one not in PARTS),
            *(f"{p}.{f}" for p in PARTS for f in get_type_hints(PARTS[p])),
        ]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise SettingsError(
                f"--try {name}: no such field{f'; is {near[0]} meant?' if near else ''}"
            )
        leaf = Leaf(hint=hints[field], default=None, secret=False)
        values = {field: checked(f"train.{name}", from_text(text, hints[field]), leaf, "--try")}
        config = replace(
            config, **{part: replace(getattr(config, part), **values)} if part else values
        )
    return config


def outcome_of(question: Question, trial: Trial, seeds: Sequence[int]) -> Outcome:
    """Train and score a trial with each seed, or take what is kept."""
    runs = []
    for seed in seeds:
        config = replace(trial.config, seed=seed)
        decided_by = (code_digest(*CODE), data_digest(question.data), question.on, config)
        score = _followed if question.on == "updates" else _scored
        found = kept_part(
            f"tune/{question.data.name}-{question.on}", decided_by, partial(score, question, config)
        )
        assert isinstance(found, dict)
        runs.append(found)
    shown = figure(np.mean([run["ndcg"] for run in runs], axis=0))
    return Outcome(
        changes=trial.changes,
        ndcg=shown.value,
        low=shown.low,
        high=shown.high,
        seeds=len(seeds),
        seconds=float(np.mean([run["seconds"] for run in runs])),
        accepted=float(np.mean([run["accepted"] for run in runs]))
        if question.on == "updates"
        else None,
    )


def _scored(question: Question, config: TrainConfig, folder: Path) -> dict[str, object]:
    torch.set_num_threads(config.num_threads)
    snapshot = folder / "snapshot"
    if not snapshot.exists():
        write_snapshot(
            snapshot, question.data, Roles(target_E=question.train_E), mode="full", seed=config.seed
        )
    bundle, _ = train_bundle(snapshot, config, folder / "candidate", text_cache=WORK / "texts")
    scores = user_scores(
        question.data, question.asked_E, question.train_E, bundle, config, folder=folder
    )
    found = {
        "ndcg": scores["candidate"].tolist(),
        "seconds": training_seconds(folder / "candidate"),
    }
    shutil.rmtree(folder / "candidate")
    return found


def _followed(question: Question, config: TrainConfig, folder: Path) -> dict[str, object]:
    """Update a model after each window as bench.prequential does under the gate; no event behind the base is looked at."""
    torch.set_num_threads(config.num_threads)
    base = _first(question.data, int(np.flatnonzero(question.asked_E)[-1]) + 1)
    stream = stream_of(base, NUM_UPDATE_WINDOWS, base_share=LEARNED_SHARE)
    line = trained(
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
            line = updated(stream, line, folder / f"update-{window}", first, last, how="accepted")
    for part in folder.iterdir():
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    return {
        "ndcg": ndcg,
        "seconds": line.seconds - spent,
        "accepted": line.num_accepted / line.num_updates,
    }


def _first(data: RatingsSet, num: int) -> RatingsSet:
    return replace(
        data,
        users_E=data.users_E[:num],
        items_E=data.items_E[:num],
        ratings_E=data.ratings_E[:num],
        at_s_E=data.at_s_E[:num],
    )


def write_table(question: Question, outcomes: Sequence[Outcome], path: Path) -> None:
    """Put outcomes into the table, best first; what it says of other trials, or by other code, stays."""
    code = code_digest(*CODE)[:12]
    fresh = [
        {"on": question.on, "code": code, **{name: getattr(one, name) for name in COLUMNS[1:-1]}}
        for one in outcomes
    ]
    names = {(question.on, code, one.changes, str(one.seeds)) for one in outcomes}
    rows: list[dict[str, object]] = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [
                dict(row)
                for row in csv.DictReader(file)
                if (row["on"], row["code"], row["changes"], row["seeds"]) not in names
            ]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_suffix(".tmp")
    with partial_path.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(
            sorted([*rows, *fresh], key=lambda row: (str(row["on"]), -float(str(row["ndcg"]))))
        )
    partial_path.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and print the table of this search and the best of it."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Try training configurations on events that are there for choosing.",
    )
    parser.add_argument("set", choices=list(CONFIGS), help="which set")
    parser.add_argument(
        "--try",
        dest="tries",
        action="append",
        default=[],
        metavar="FIELD=VALUE,…",
        help="a field of [train], its values",
    )
    parser.add_argument("--random", type=int, help="only so many combinations, drawn at random")
    parser.add_argument(
        "--on", choices=("tuning", "stream", "updates"), default="tuning", help="what is scored"
    )
    parser.add_argument("--seeds", default="0", help="which seeds; figures are means over them")
    given = parser.parse_args(arguments)
    tries = {
        name: values.split(",") for name, _, values in (one.partition("=") for one in given.tries)
    } or SPACE
    try:
        trials = trials_of(
            (CONFIGS if given.on == "tuning" else STREAM_CONFIGS)[given.set],
            tries,
            random=given.random,
        )
    except SettingsError as error:
        parser.error(str(error))
    question = question_of(load_set(given.set), given.on)
    outcomes: list[Outcome] = []
    table = WORK / "tune" / f"{given.set}.csv"
    for number, trial in enumerate(trials, start=1):
        one = outcome_of(question, trial, [int(seed) for seed in given.seeds.split(",")])
        outcomes.append(one)
        write_table(question, outcomes, table)
        judged = "" if one.accepted is None else f"{one.accepted:4.0%} accepted  "
        shown = f"{one.ndcg:.4f} [{one.low:.4f}, {one.high:.4f}]  {one.seconds:5.0f} s  {judged}{one.changes}"
        print(f"{number:3}/{len(trials)}  {shown}", flush=True)
    best = max(outcomes, key=lambda one: one.ndcg)
    print(
        f"best of {len(outcomes)}: {best.changes}  NDCG@10 {best.ndcg:.4f} [{best.low:.4f}, {best.high:.4f}]; all in {table}"
    )
