"""What retraining brings: every event is scored before any model learns from it.

    .venv/bin/python -m bench prequential [--sets ml-100k] [--seeds 0,1,2]
                                          [--windows 20] [--fulls 19] [--schedules]

The base is trained on the first half of the timeline. The second half is cut into windows, and in
each window every model ranks all items for every event, seen ones filtered, with fresh histories.
The lines:

* `static`: the base, never retrained;
* `control`: as many update steps, but on old data only;
* `update`: the product's update on the new window, with replay;
* `accepted`: the same under the product's gate, whose panel of users is never trained on;
* `full`: a retrain from scratch on everything so far;
* `rolling`: `update`, with two of these full retrains after about one and two thirds of the stream;
* `sketch`: the model that the project began with, updated in the same way.

`--schedules` compares instead when full retrains come (`bench/ranking/schedules.py`).

A catalogue has the items that have had an event by then. Finished seeds are kept in var/bench, and
an interrupted one continues after its last window. Seconds are the processor's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.contestants.configs import STREAM_CONFIGS, sketch_config
from bench.contestants.offline import event_ndcg
from bench.data.sets import load_set
from bench.ranking import schedules
from bench.ranking.schedules import metrics_of_schedules, run_schedules
from bench.ranking.stream import Stream, full_windows, stream_of, takeovers
from bench.ranking.stream_lines import (
    StreamLine,
    load_progress,
    save_progress,
    train_line,
    update_line,
)
from bench.ranking.stream_metrics import LINES, SeedRun, metrics_of, write_curve
from bench.report.kept import code_digest, data_digest, kept_part
from bench.report.rows import BenchMetric, save
from cron.settings.tree import GateSettings
from cron.settings.worker_settings import WorkerSettings
from recommender.bundle import load_bundle
from trainer.config import TrainConfig

COMMAND = "python -m bench prequential"
Update = Callable[..., StreamLine]  # with the parameters of update_line
UPDATED = ("sketch", "update", "accepted", "control")
CODE = (
    "bench/ranking/prequential.py",
    "bench/ranking/stream.py",
    "bench/ranking/stream_lines.py",
    "cron/gate/comparison.py",
    "cron/gate/offline_verdict.py",
    "cron/gate/sanity.py",
    "cron/gate/tolerance.py",
    "cron/snapshot/judged.py",
    "cron/snapshot/limits.py",
    "cron/snapshot/timeline.py",
)


def run_seed(
    stream: Stream,
    config: TrainConfig,
    fulls: frozenset[int],
    folder: Path,
    *,
    update: Update = update_line,
) -> dict[str, dict[str, object]]:
    """Follow the stream once, continuing from what the folder has.

    Return, by line, NDCG@10 of each window (of `full` only of those after a retrain), the seconds,
    and the share of updates that were accepted.
    """
    over = takeovers(len(stream.windows), fulls)
    lines = load_progress(folder, config) or _first_lines(stream, config, folder)
    num_done = len(lines["static"].ndcg)
    for window, (first, last) in list(enumerate(stream.windows))[num_done:]:
        if window in fulls:
            retrained = train_line(
                stream, config, folder / f"full-{window}", stream.between(0, first)
            )
            for name in ("full", "rolling") if window in over else ("full",):
                lines[name] = _take_over(lines[name], retrained)
        asked = [name for name in lines if name != "full" or window in fulls]
        _score_window(stream, lines, asked, (first, last), config, folder)
        shown = ", ".join(f"{name} {lines[name].ndcg[-1]:.4f}" for name in asked)
        print(f"  window {window + 1:2}: {shown}", flush=True)
        if last < stream.bounds[-1]:
            rolls = bool(over) and window >= min(over)  # until then `rolling` is `update`
            for name in (*UPDATED, "rolling") if rolls else UPDATED:
                lines[name] = update(
                    stream, lines[name], folder / f"{name}-{window}", first, last, how=name
                )
            if not rolls:
                lines["rolling"] = replace(lines["update"], ndcg=lines["rolling"].ndcg)
        save_progress(lines, folder)
    return {name: _line_result(line) for name, line in lines.items()}


def _first_lines(stream: Stream, config: TrainConfig, folder: Path) -> dict[str, StreamLine]:
    """Return the lines before the first window; their common start costs none of them anything."""
    known_E = stream.between(0, stream.base)
    base = train_line(stream, config, folder / "base", known_E)
    own = {
        "accepted": train_line(stream, config, folder / "base-panel", known_E & ~stream.panel_E),
        "sketch": train_line(stream, sketch_config(config), folder / "base-sketch", known_E),
    }
    return {name: replace(own.get(name, base), ndcg=[], seconds=0.0) for name in LINES}


def _take_over(line: StreamLine, retrained: StreamLine) -> StreamLine:
    """Return the line with the full retrain in place of its model, and its cost added."""
    return replace(
        line,
        folder=retrained.folder,
        anchor=retrained.anchor,
        waiting=retrained.waiting,
        seconds=line.seconds + retrained.seconds,
    )


def _score_window(
    stream: Stream,
    lines: dict[str, StreamLine],
    asked: Sequence[str],
    window: tuple[int, int],
    config: TrainConfig,
    folder: Path,
) -> None:
    """Score the window's events with the asked lines, from all events before it."""
    first, last = window
    bundles = {name: load_bundle(lines[name].folder / "candidate" / "bundle") for name in asked}
    asked_E, known_E = stream.between(first, last), stream.between(0, first)
    scores = event_ndcg(stream.data, asked_E, known_E, bundles, config, folder=folder)
    for name, value in scores.items():
        lines[name].ndcg.append(value)


def _line_result(line: StreamLine) -> dict[str, object]:
    accepted = line.num_accepted / max(1, line.num_updates)
    return {"ndcg": line.ndcg, "seconds": line.seconds, "accepted": accepted}


def run(name: str, seeds: Sequence[int], num_windows: int, num_fulls: int) -> list[BenchMetric]:
    """Run all seeds of one set, or take what is kept; write the curve and return the metrics."""
    stream = stream_of(load_set(name), num_windows)
    fulls = full_windows(num_windows, num_fulls)
    runs: list[SeedRun] = []
    for seed in seeds:
        config = replace(STREAM_CONFIGS[name], seed=seed)

        def follow(folder: Path, config: TrainConfig = config) -> dict[str, dict[str, object]]:
            print(f"{name}, seed {config.seed}", flush=True)
            began = time.monotonic()
            result = run_seed(stream, config, fulls, folder)
            print(f"{name}, seed {config.seed}: {time.monotonic() - began:.0f} s", flush=True)
            return result

        decided_by = (
            code_digest(*CODE),
            data_digest(stream.data),
            config,
            GateSettings(),
            num_windows,
            sorted(fulls),
        )
        runs.append(
            json.loads(json.dumps(kept_part(f"prequential/{name}-{seed}", decided_by, follow)))
        )
    write_curve(name, runs, sorted(fulls))
    return metrics_of(name, runs, sorted(fulls))


def run_all_schedules(name: str, seeds: Sequence[int], num_windows: int) -> list[BenchMetric]:
    """Run the schedules of all seeds of one set, or take what is kept; return the metrics."""
    stream, worth = stream_of(load_set(name), num_windows), WorkerSettings().full_worth
    runs: list[SeedRun] = []
    for seed in seeds:
        config = replace(STREAM_CONFIGS[name], seed=seed)

        def follow(folder: Path, config: TrainConfig = config) -> dict[str, dict[str, object]]:
            print(f"{name}, seed {config.seed}", flush=True)
            return run_schedules(stream, config, folder, worth=worth)

        digest = code_digest(*CODE, *schedules.CODE)
        decided_by = (digest, data_digest(stream.data), config, num_windows, worth)
        kept = kept_part(f"schedules/{name}-{seed}", decided_by, follow)
        runs.append(json.loads(json.dumps(kept)))
    return metrics_of_schedules(name, runs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Quality over time, of models that are kept up to date in different ways.",
    )
    parser.add_argument("--sets", default="ml-100k", help="the sets; ml-100k, ml-1m")
    parser.add_argument("--seeds", default="0,1,2", help="the seeds")
    parser.add_argument("--windows", type=int, default=20, help="the number of windows")
    parser.add_argument(
        "--fulls",
        type=int,
        default=19,
        help="the number of windows after a full retrain; the first is never one of them",
    )
    parser.add_argument("--schedules", action="store_true", help="compare when full retrains come")
    given = parser.parse_args(arguments)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    metrics = [
        one
        for name in given.sets.split(",")
        for one in (
            run_all_schedules(name, seeds, given.windows)
            if given.schedules
            else run(name, seeds, given.windows, given.fulls)
        )
    ]
    for one in metrics:
        print(
            f"{one.set:8} {one.model:8} {one.metric:18} {one.value:.4f}"
            f"  {one.seconds:.0f} s of training"
        )
    save("prequential", given.sets.replace(",", ", "), metrics, command=COMMAND)
