"""Does retraining pay? Every event is scored before it is trained on, over one global timeline.

    .venv/bin/python -m bench.prequential [--sets ml-100k] [--seeds 0,1,2] [--windows 20] [--fulls 20]

The first half of the history makes the base; then windows, in each of which every model ranks all items for every event (seen ones
filtered, histories always fresh). Beside each other: `static`, the base as it is; `control`, as many update steps but on old data only;
`update`, the product's update on the new window with replay; `full`, a retrain from scratch on everything so far. A catalogue holds what
had an event by then. Finished seeds are kept in var/bench. Figures are means over windows of the mean over events.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from bench.configs import CONFIGS
from bench.kept import WORK, code_digest
from bench.offline import event_ndcg, figure, train_bundle
from bench.rows import Measure, results_folder, save
from bench.sets import RatingsSet, load_set
from bench.snapshots import Flags, Roles, write_snapshot
from recommender.bundle import Bundle
from trainer.config import TrainConfig

COMMAND = "python -m bench.prequential"
PROTOCOL = "prequential"
LINES = ("static", "control", "update", "full")


@dataclass(slots=True, kw_only=True)
class Line:
    """One way to keep a model: its bundle, where its candidate lies, what each window scored, and what training cost so far."""

    bundle: Bundle
    folder: Path
    ndcg: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The timeline: the base's part and the windows after it."""

    data: RatingsSet
    base: int
    bounds: tuple[int, ...]

    def between(self, first: int, last: int) -> Flags:
        """Mark the events of places first to last, the last left out."""
        places_E = np.arange(len(self.data.users_E))
        marked: Flags = (places_E >= first) & (places_E < last)
        return marked


def stream_of(data: RatingsSet, num_windows: int) -> Stream:
    """Cut the second half into windows of like size."""
    num = len(data.users_E)
    bounds = tuple(int(bound) for bound in np.linspace(num // 2, num, num_windows + 1).round())
    return Stream(data=data, base=num // 2, bounds=bounds)


def run_seed(stream: Stream, config: TrainConfig, fulls: frozenset[int], folder: Path) -> dict[str, dict[str, object]]:
    """Follow the stream once; return by line the figures of each window (of `full` only where it was retrained) and the seconds."""
    generator = np.random.default_rng(config.seed)
    base, base_s = _train(stream, config, folder / "base", Roles(target_E=stream.between(0, stream.base)))
    lines = {name: Line(bundle=base, folder=folder / "base" / "candidate") for name in LINES}
    for window, (first, last) in enumerate(zip(stream.bounds[:-1], stream.bounds[1:], strict=True)):
        if window in fulls and window > 0:
            made, seconds = _train(stream, config, folder / f"full-{window}", Roles(target_E=stream.between(0, first)))
            lines["full"] = replace(lines["full"], bundle=made, seconds=lines["full"].seconds + seconds)
        scored_E = stream.between(first, last)
        for name, line in lines.items():
            if name != "full" or window in fulls:
                line.ndcg.append(event_ndcg(stream.data, scored_E, stream.between(0, first), line.bundle, config, folder=folder))
        print(f"  window {window + 1:2}: " + ", ".join(f"{name} {line.ndcg[-1]:.4f}" for name, line in lines.items()), flush=True)
        if last < stream.bounds[-1]:
            new_E = scored_E
            size = round(config.replay_ratio * int(new_E.sum()))
            lines["update"] = _updated(
                stream, config, lines["update"], folder / f"update-{window}", new_E, _sample(stream, 0, first, size, generator)
            )
            old_E = _sample(stream, 0, stream.base, min(stream.base, size + int(new_E.sum())), generator)
            lines["control"] = _updated(stream, config, lines["control"], folder / f"control-{window}", np.zeros_like(new_E), old_E)
    return {name: {"ndcg": line.ndcg, "seconds": line.seconds, "base_s": base_s} for name, line in lines.items()}


def _sample(stream: Stream, first: int, last: int, size: int, generator: np.random.Generator) -> Flags:
    chosen_E = np.zeros(len(stream.data.users_E), np.bool_)
    chosen_E[first + generator.choice(last - first, size=min(size, last - first), replace=False)] = True
    return chosen_E


def _updated(stream: Stream, config: TrainConfig, line: Line, folder: Path, new_E: Flags, replay_E: Flags) -> Line:
    """Update a line as the worker does: from its bundle and optimiser state, new events and replay, each with its context."""
    needed = np.flatnonzero(new_E | replay_E)
    last = int(needed.max()) + 1
    roles = Roles(target_E=new_E, replay_E=replay_E, context_E=stream.between(0, last) & ~(new_E | replay_E))
    snapshot = write_snapshot(folder / "snapshot", stream.data, roles, mode="update", seed=config.seed)
    shutil.copytree(line.folder / "bundle", snapshot / "live")
    shutil.copytree(line.folder / "state", snapshot / "state")
    bundle, seconds = train_bundle(snapshot, config, folder / "candidate", text_cache=WORK / "texts")
    if line.folder.parent.name != "base":
        shutil.rmtree(line.folder.parent)
    return replace(line, bundle=bundle, folder=folder / "candidate", seconds=line.seconds + seconds)


def _train(stream: Stream, config: TrainConfig, folder: Path, roles: Roles) -> tuple[Bundle, float]:
    snapshot = write_snapshot(folder / "snapshot", stream.data, roles, mode="full", seed=config.seed)
    return train_bundle(snapshot, config, folder / "candidate", text_cache=WORK / "texts")


def run(name: str, seeds: Sequence[int], num_windows: int, num_fulls: int) -> list[Measure]:
    """Run all seeds of one set, or take what is kept; write the curve and return the figures."""
    stream = stream_of(load_set(name), num_windows)
    fulls = frozenset(int(window) for window in np.linspace(0, num_windows - 1, num_fulls).round())
    runs = []
    for seed in seeds:
        config = replace(CONFIGS[name], seed=seed)
        torch.set_num_threads(config.num_threads)
        key = hashlib.sha256(f"{code_digest('bench/prequential.py')} {config} {num_windows} {sorted(fulls)}".encode()).hexdigest()[:12]
        folder = WORK / "prequential" / f"{name}-{seed}-{key}"
        kept = folder / "windows.json"
        if not kept.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            print(f"{name}, seed {seed}", flush=True)
            began = time.monotonic()
            kept.write_text(json.dumps(run_seed(stream, config, fulls, folder)))
            print(f"{name}, seed {seed}: {time.monotonic() - began:.0f} s", flush=True)
        runs.append(json.loads(kept.read_text()))
    _write_curve(name, runs, sorted(fulls))
    return _measures(name, runs, sorted(fulls))


def _measures(name: str, runs: Sequence[dict[str, dict[str, object]]], fulls: Sequence[int]) -> list[Measure]:
    """Return each line's mean over the windows in which there was a full retrain, over seeds, and its gain over `static`."""
    curves = {line: np.array([_windows(one[line], fulls) for one in runs]) for line in LINES}
    measures = []
    for line, curve_SW in curves.items():
        seconds = float(np.mean([float(str(one[line]["seconds"])) for one in runs]))
        shown = figure(curve_SW.mean(1)) if len(runs) > 1 else None
        common = {"set": name, "protocol": PROTOCOL, "model": line, "seeds": len(runs), "seconds": seconds}
        interval = {"low": shown.low, "high": shown.high} if shown else {}
        measures.append(Measure(metric="NDCG@10", value=float(curve_SW.mean()), unit="1", **common, **interval))  # type: ignore[arg-type]
        gain = float(curve_SW.mean() / curves["static"].mean() - 1)
        measures.append(Measure(metric="gain over static", value=gain, unit="1", **common))  # type: ignore[arg-type]
    return measures


def _windows(line: dict[str, object], fulls: Sequence[int]) -> list[float]:
    ndcg = line["ndcg"]
    assert isinstance(ndcg, list)
    return [float(one) for one in (ndcg if len(ndcg) == len(fulls) else [ndcg[window] for window in fulls])]


def _write_curve(name: str, runs: Sequence[dict[str, dict[str, object]]], fulls: Sequence[int]) -> None:
    """Write each window's mean over seeds as CSV; `full` is empty where there was none."""
    columns = {line: np.array([one[line]["ndcg"] for one in runs], float).mean(0) for line in LINES}
    results_folder().mkdir(parents=True, exist_ok=True)
    with (results_folder() / f"prequential-{name}.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["window", *LINES])
        for window in range(len(columns["static"])):
            full = columns["full"][fulls.index(window)] if window in fulls else None
            others = [f"{columns[line][window]:.5f}" for line in LINES if line != "full"]
            rows.writerow([window + 1, *others, "" if full is None else f"{full:.5f}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Quality over time, of models that are kept up to date in different ways.")
    parser.add_argument("--sets", default="ml-100k", help="which sets; ml-100k, ml-1m")
    parser.add_argument("--seeds", default="0,1,2", help="which seeds")
    parser.add_argument("--windows", type=int, default=20, help="how many windows")
    parser.add_argument("--fulls", type=int, default=20, help="in how many of them a full retrain is made")
    given = parser.parse_args(arguments)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    measures = [one for name in given.sets.split(",") for one in run(name, seeds, given.windows, given.fulls)]
    for one in measures:
        print(f"{one.set:8} {one.model:8} {one.metric:18} {one.value:.4f}  {one.seconds:.0f} s")
    save("prequential", given.sets.replace(",", ", "), measures, command=COMMAND)


if __name__ == "__main__":
    main()
