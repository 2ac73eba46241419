"""Does retraining pay? Every event is scored before it is trained on, over one global timeline.

    .venv/bin/python -m bench prequential [--sets ml-100k] [--seeds 0,1,2] [--windows 20] [--fulls 19]

The first half of the history makes the base; then windows, in each of which every model ranks all
items for every event (seen ones filtered, histories always fresh). Beside each other: `static`, the
base as it is; `control`, as many update steps but on old data only; `update`, the product's update
on the new window with replay; `accepted`, the same under the product's gate, whose panel of users
nobody trains on; `full`, a retrain from scratch on everything so far; `rolling`, the product's
updates with two of these full retrains between them, after about a third and two thirds of the
stream; `sketch`, the project's first idea, updated in the same way. A catalogue holds what had an
event by then. Finished seeds are kept in var/bench, and one that was cut off goes on from its last
window. Figures are means over windows of the mean over events, and ratios of such means, with
intervals by bootstrap over windows (in which the lines stay side by side) and the least and the
greatest of the seeds; seconds are the processor's.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.contestants.configs import STREAM_CONFIGS, sketch_config
from bench.contestants.offline import BOOTSTRAP_DRAWS, event_ndcg, train_bundle
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Flags, Roles, event_rows, write_snapshot
from bench.report.curve import draw
from bench.report.kept import WORK, code_digest, data_digest, kept_part
from bench.report.rows import Measure, results_folder, save
from cron.gate.verdicts import Against, offline_verdict
from cron.settings.tree import GateSettings
from cron.snapshot.judged import need_of, newest_judged, older_judged, positive_of
from cron.snapshot.limits import Limits, within_limits
from cron.snapshot.panel import Panel
from cron.snapshot.timeline import Mask, Timeline, context_of, replay_sample, timeline
from recommender.bundle import load_bundle
from trainer.config import TrainConfig
from trainer.report import read_report

COMMAND = "python -m bench prequential"
PROTOCOL = "prequential"
PROGRESS = "progress.json"
PARTS = ("folder", "anchor")
BASE_SHARE = 0.5  # of the stream, what the base is trained on
LINES = ("sketch", "static", "control", "update", "accepted", "rolling", "full")
CODE = (
    "bench/ranking/prequential.py",
    "cron/gate/verdicts.py",
    "cron/snapshot/judged.py",
    "cron/snapshot/limits.py",
    "cron/snapshot/timeline.py",
)


@dataclass(slots=True, kw_only=True)
class Line:
    """One way to keep a model: the folder that its candidate was trained in, what each window scored, and what training cost so far.

    `anchor` is the folder of its last full training, `waiting` the first event that it has not
    learned from, `num_accepted` how many of its candidates the gate let through.
    """

    config: TrainConfig
    folder: Path
    anchor: Path
    waiting: int
    ndcg: list[float] = field(default_factory=list)
    seconds: float = 0.0
    num_accepted: int = 0
    num_updates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The timeline: the base's part and the windows after it. `panel_E` marks the events of the gate's users."""

    data: RatingsSet
    base: int
    bounds: tuple[int, ...]
    panel_E: Flags

    def between(self, first: int, last: int) -> Flags:
        """Mark the events of places first to last, the last left out."""
        places_E = np.arange(len(self.data.users_E))
        marked: Flags = (places_E >= first) & (places_E < last)
        return marked


def stream_of(data: RatingsSet, num_windows: int, *, base_share: float = BASE_SHARE) -> Stream:
    """Cut what comes after the base into windows of like size, and choose the panel as the product would after the base."""
    num = len(data.users_E)
    base = int(base_share * num)
    bounds = tuple(int(bound) for bound in np.linspace(base, num, num_windows + 1).round())
    gate = GateSettings()
    for percent in range(round(100 * gate.min_panel_share), round(100 * gate.max_panel_share) + 1):
        of_panel = np.array(
            [Panel(share=percent / 100).holds(f"u{user}") for user in range(data.num_users)]
        )
        panel_E: Flags = of_panel[data.users_E]
        if len(np.unique(data.users_E[:base][panel_E[:base]])) >= gate.min_users:
            break
    return Stream(data=data, base=base, bounds=bounds, panel_E=panel_E)


def full_windows(num_windows: int, num_fulls: int) -> frozenset[int]:
    """Return before which windows there is a full retrain: evenly, and never before the first, where the base knows all there is."""
    return frozenset(
        int(window) for window in np.linspace(0, num_windows - 1, num_fulls + 1).round()[1:]
    )


def takeovers(num_windows: int, fulls: frozenset[int]) -> frozenset[int]:
    """Return before which windows a full retrain takes over from the updates of `rolling`: of those made, the nearest to the thirds."""
    thirds = np.linspace(0, num_windows - 1, 4)[1:3] if fulls else ()
    return frozenset(min(sorted(fulls), key=lambda window: abs(window - third)) for third in thirds)


def run_seed(
    stream: Stream, config: TrainConfig, fulls: frozenset[int], folder: Path
) -> dict[str, dict[str, object]]:
    """Follow the stream once, from where it was cut off in this folder.

    Return by line the figures of each window (of `full` only where it was retrained), the seconds,
    and the share of updates accepted.
    """
    over = takeovers(len(stream.bounds) - 1, fulls)
    lines = _resumed(folder, config) or _begun(stream, config, folder)
    num_done = len(lines["static"].ndcg)
    for window, (first, last) in list(
        enumerate(zip(stream.bounds[:-1], stream.bounds[1:], strict=True))
    )[num_done:]:
        if window in fulls:
            made = trained(stream, config, folder / f"full-{window}", stream.between(0, first))
            for name in ("full", *(["rolling"] if window in over else [])):
                spent = lines[name].seconds + made.seconds
                lines[name] = replace(
                    lines[name],
                    folder=made.folder,
                    anchor=made.anchor,
                    waiting=made.waiting,
                    seconds=spent,
                )
        asked = {
            name: load_bundle(line.folder / "candidate" / "bundle")
            for name, line in lines.items()
            if name != "full" or window in fulls
        }
        for name, value in event_ndcg(
            stream.data,
            stream.between(first, last),
            stream.between(0, first),
            asked,
            config,
            folder=folder,
        ).items():
            lines[name].ndcg.append(value)
        print(
            f"  window {window + 1:2}: "
            + ", ".join(f"{name} {lines[name].ndcg[-1]:.4f}" for name in asked),
            flush=True,
        )
        if last < stream.bounds[-1]:
            parted = bool(over) and window >= min(over)  # until then `rolling` is `update`
            for name in (
                "sketch",
                "update",
                "accepted",
                "control",
                *(["rolling"] if parted else []),
            ):
                lines[name] = updated(
                    stream, lines[name], folder / f"{name}-{window}", first, last, how=name
                )
            if not parted:
                lines["rolling"] = replace(lines["update"], ndcg=lines["rolling"].ndcg)
        _keep(lines, folder)
    return {
        name: {
            "ndcg": line.ndcg,
            "seconds": line.seconds,
            "accepted": line.num_accepted / max(1, line.num_updates),
        }
        for name, line in lines.items()
    }


def _begun(stream: Stream, config: TrainConfig, folder: Path) -> dict[str, Line]:
    """Return the lines before the first window: what all begin with costs none of them anything."""
    known_E = stream.between(0, stream.base)
    base = trained(stream, config, folder / "base", known_E)
    own = {
        "accepted": trained(stream, config, folder / "base-panel", known_E & ~stream.panel_E),
        "sketch": trained(stream, sketch_config(config), folder / "base-sketch", known_E),
    }
    return {name: replace(own.get(name, base), ndcg=[], seconds=0.0) for name in LINES}


def _resumed(folder: Path, config: TrainConfig) -> dict[str, Line] | None:
    """Return the lines as they were after the last whole window; None when there was none."""
    if not (folder / PROGRESS).exists():
        return None
    kept = json.loads((folder / PROGRESS).read_text())
    configs = {"sketch": sketch_config(config)}
    placed = {
        name: {**line, **{part: folder / line[part] for part in PARTS}}
        for name, line in kept.items()
    }
    return {name: Line(config=configs.get(name, config), **line) for name, line in placed.items()}


def _keep(lines: Mapping[str, Line], folder: Path) -> None:
    """Write where the lines stand, then delete what none of them needs any longer."""
    kept = {
        name: {**asdict(line), **{part: getattr(line, part).name for part in PARTS}}
        for name, line in lines.items()
    }
    partial = folder / f"{PROGRESS}.tmp"
    partial.write_text(
        json.dumps(
            {
                name: {key: line[key] for key in line if key != "config"}
                for name, line in kept.items()
            }
        )
    )
    partial.replace(folder / PROGRESS)
    needed = {part for line in lines.values() for part in (line.folder, line.anchor)}
    for part in folder.iterdir():
        if part.is_dir() and part not in needed:
            shutil.rmtree(part)


def updated(stream: Stream, line: Line, folder: Path, first: int, last: int, *, how: str) -> Line:
    """Update a line as the worker does: from its bundle and state, new events and replay, each with its context, judged by the gate."""
    gated = how == "accepted"
    lives = _lives(stream, stream.base if how == "control" else last, panel=gated)
    new_E = stream.between(line.waiting, last)
    if gated:
        new_E &= ~stream.panel_E
    old_size = round(line.config.replay_ratio * int(new_E.sum()))
    if how == "control":  # as many events as an update learns from
        before, old_size, new_E = stream.base, old_size + int(new_E.sum()), np.zeros_like(new_E)
    else:
        before = line.waiting
    limit = line.config.model.max_history
    new_N = _limited(lives, new_E[lives.seq_N - 1])
    read_N = context_of(lives, new_N, max_history=limit)
    allowed_N = _limited(lives, (lives.seq_N <= before) & lives.lasting_N & ~lives.panel_N)
    replay_N = replay_sample(
        lives, allowed_N, first_N=read_N, size=old_size, run=limit, seed=line.config.seed + first
    )
    context_N = context_of(lives, new_N | replay_N, max_history=limit)
    roles = Roles(
        target_E=_places(stream, lives, new_N),
        replay_E=_places(stream, lives, replay_N),
        context_E=_places(stream, lives, context_N),
    )
    if gated:
        roles = _with_panel(stream, lives, roles, line)

    def write(snapshot: Path) -> None:
        write_snapshot(snapshot, stream.data, roles, mode="update", seed=line.config.seed)
        shutil.copytree(line.folder / "candidate" / "bundle", snapshot / "live")
        shutil.copytree(line.folder / "candidate" / "state", snapshot / "state")
        if gated:
            shutil.copytree(line.anchor / "candidate" / "bundle", snapshot / "anchor")

    spent = replace(
        line,
        seconds=line.seconds + _train(folder, line.config, write),
        num_updates=line.num_updates + 1,
    )
    report = read_report(folder / "candidate" / "report.json")
    if gated and not offline_verdict(report, GateSettings(), Against(live=2, anchor=1)).accepted:
        return spent
    return replace(spent, folder=folder, waiting=last, num_accepted=line.num_accepted + 1)


def _limited(lives: Timeline, chosen_N: Mask) -> Mask:
    gate = GateSettings()
    return within_limits(
        lives, chosen_N, Limits(user_share=gate.max_user_share, item_share=gate.max_item_share)
    ).mask_N


def _with_panel(stream: Stream, lives: Timeline, roles: Roles, line: Line) -> Roles:
    limit, need = line.config.model.max_history, need_of(GateSettings())
    positive_N = positive_of(lives, line.config.positive_types, line.config.positive_rating)
    score_N = newest_judged(lives, positive_N, lives.panel_N, need)
    older, is_older_N = lives.before(line.waiting + 1), lives.seq_N <= line.waiting
    older_N = older_judged(older, positive_N[is_older_N], older.panel_N, need)
    return replace(
        roles,
        panel_E=_places(stream, lives, score_N),
        panel_context_E=_places(stream, lives, context_of(lives, score_N, max_history=limit)),
        older_E=_places(stream, older, older_N),
        older_context_E=_places(stream, older, context_of(older, older_N, max_history=limit)),
    )


def _lives(stream: Stream, last: int, *, panel: bool) -> Timeline:
    """Return the events before a place in the order of their users' lives, by the product's own code."""
    events = event_rows(
        stream.data, stream.between(0, last), np.full(len(stream.data.users_E), "", dtype=object)
    )
    names = (
        {f"u{user}" for user in np.unique(stream.data.users_E[stream.panel_E])} if panel else set()
    )
    return timeline(events, is_panel=names.__contains__)


def _places(stream: Stream, lives: Timeline, marked_N: Flags) -> Flags:
    marked_E = np.zeros(len(stream.data.users_E), np.bool_)
    marked_E[lives.seq_N[marked_N] - 1] = True
    return marked_E


def trained(stream: Stream, config: TrainConfig, folder: Path, known_E: Flags) -> Line:
    """Return a line that begins with a model trained from scratch, in this folder, on the marked events."""

    def write(snapshot: Path) -> None:
        write_snapshot(
            snapshot, stream.data, Roles(target_E=known_E), mode="full", seed=config.seed
        )

    seconds = _train(folder, config, write)
    return Line(
        config=config,
        folder=folder,
        anchor=folder,
        waiting=int(np.flatnonzero(known_E)[-1]) + 1,
        seconds=seconds,
    )


def _train(folder: Path, config: TrainConfig, write: Callable[[Path], None]) -> float:
    """Make `candidate` in a folder from the snapshot that `write` puts there, unless it is made; return the processor's seconds."""
    spent = folder / "seconds.json"
    if not spent.exists():
        snapshot = folder / "snapshot"
        shutil.rmtree(snapshot, ignore_errors=True)
        write(snapshot)
        _, seconds = train_bundle(snapshot, config, folder / "candidate", text_cache=WORK / "texts")
        shutil.rmtree(snapshot)
        spent.write_text(json.dumps(seconds))
    return float(json.loads(spent.read_text()))


def run(name: str, seeds: Sequence[int], num_windows: int, num_fulls: int) -> list[Measure]:
    """Run all seeds of one set, or take what is kept; write the curve and return the figures."""
    stream = stream_of(load_set(name), num_windows)
    fulls = full_windows(num_windows, num_fulls)
    runs: list[dict[str, dict[str, object]]] = []
    for seed in seeds:
        config = replace(STREAM_CONFIGS[name], seed=seed)

        def follow(folder: Path, config: TrainConfig = config) -> dict[str, dict[str, object]]:
            print(f"{name}, seed {config.seed}", flush=True)
            began = time.monotonic()
            found = run_seed(stream, config, fulls, folder)
            print(f"{name}, seed {config.seed}: {time.monotonic() - began:.0f} s", flush=True)
            return found

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
    _write_curve(name, runs, sorted(fulls))
    return measures_of(name, runs, sorted(fulls))


def measures_of(
    name: str, runs: Sequence[dict[str, dict[str, object]]], fulls: Sequence[int]
) -> list[Measure]:
    """Return each line's mean over windows and seeds, its gain over `static`, and what share of the full retrains' it reaches.

    The gain of `full`, and shares of it, are of the windows in which there was a full retrain.
    """
    curves = _curves(runs, fulls)
    beside = {
        line: curve_SW if line == "full" else curve_SW[:, list(fulls)]
        for line, curve_SW in curves.items()
    }
    measures = []
    for line, curve_SW in curves.items():
        figures = {
            "NDCG@10": _mean(curve_SW.mean(1)),
            "gain over static": _ratio(
                curve_SW, (beside if line == "full" else curves)["static"], less=1.0
            ),
            "share of full": _ratio(beside[line], curves["full"]),
        }
        if line == "rolling" and len(fulls) < curves["static"].shape[1] - 1:
            del figures[
                "share of full"
            ]  # where the only full retrains are those that it took over, it is them
        if line == "accepted":
            figures["accepted updates"] = _mean(
                np.array([one[line]["accepted"] for one in runs], float)
            )
        measures += [
            Measure(
                metric=metric,
                unit="1",
                set=name,
                protocol=PROTOCOL,
                model=line,
                seeds=len(runs),
                seconds=float(np.mean([float(str(one[line]["seconds"])) for one in runs])),
                **{**figure, "note": f"{curve_SW.shape[1]} windows{figure['note']}"},  # type: ignore[arg-type]
            )
            for metric, figure in figures.items()
        ]
    return measures


def _mean(value_S: NDArray[np.float64]) -> dict[str, float | str]:
    """Return the mean over seeds, with their least and greatest as a note."""
    spread = f", seeds {value_S.min():.4f} to {value_S.max():.4f}" if len(value_S) > 1 else ""
    return {"value": float(value_S.mean()), "note": spread}


def _ratio(
    one_SW: NDArray[np.float64], other_SW: NDArray[np.float64], *, less: float = 0.0
) -> dict[str, float | str]:
    """Return the ratio of two lines' means, less a number, with its interval by bootstrap over windows."""
    num_windows = one_SW.shape[1]
    drawn_DW = np.random.default_rng(0).integers(num_windows, size=(BOOTSTRAP_DRAWS, num_windows))
    ratio_D = one_SW.mean(0)[drawn_DW].mean(1) / other_SW.mean(0)[drawn_DW].mean(1) - less
    low, high = np.quantile(ratio_D, (0.025, 0.975))
    by_seed = _mean(one_SW.mean(1) / other_SW.mean(1) - less)
    return {
        **by_seed,
        "value": float(one_SW.mean() / other_SW.mean() - less),
        "low": float(low),
        "high": float(high),
    }


def _curves(
    runs: Sequence[dict[str, dict[str, object]]], fulls: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Return each line's NDCG@10 by seed and window; `rolling`, which is `update` where nothing takes over, only where something does."""
    curves = {line: np.array([one[line]["ndcg"] for one in runs], float) for line in LINES}
    if not takeovers(curves["static"].shape[1], frozenset(fulls)):
        del curves["rolling"]
    return curves


def _write_curve(
    name: str, runs: Sequence[dict[str, dict[str, object]]], fulls: Sequence[int]
) -> None:
    """Write each window's mean over seeds as CSV; `full` is empty where there was none."""
    columns = {line: curve_SW.mean(0) for line, curve_SW in _curves(runs, fulls).items()}
    results_folder().mkdir(parents=True, exist_ok=True)
    with (results_folder() / f"prequential-{name}.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["window", *columns])
        for window in range(len(columns["static"])):
            full = columns["full"][fulls.index(window)] if window in fulls else None
            others = [f"{column[window]:.5f}" for line, column in columns.items() if line != "full"]
            rows.writerow([window + 1, *others, "" if full is None else f"{full:.5f}"])
    draw(
        columns,
        fulls,
        title=f"{name}, {len(runs)} seeds",
        path=results_folder() / f"prequential-{name}.png",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Quality over time, of models that are kept up to date in different ways.",
    )
    parser.add_argument("--sets", default="ml-100k", help="which sets; ml-100k, ml-1m")
    parser.add_argument("--seeds", default="0,1,2", help="which seeds")
    parser.add_argument("--windows", type=int, default=20, help="how many windows")
    parser.add_argument(
        "--fulls",
        type=int,
        default=19,
        help="in how many of them a full retrain is made; never in the first",
    )
    given = parser.parse_args(arguments)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    measures = [
        one
        for name in given.sets.split(",")
        for one in run(name, seeds, given.windows, given.fulls)
    ]
    for one in measures:
        print(
            f"{one.set:8} {one.model:8} {one.metric:18} {one.value:.4f}  {one.seconds:.0f} s of training"
        )
    save("prequential", given.sets.replace(",", ", "), measures, command=COMMAND)
