"""When full retrains come on the stream: by the clock, or when they are worth their cost.

    .venv/bin/python -m bench prequential --schedules

Two lines start with the base and are updated after each window. `worth` is retrained by the rule of
`worker.full_schedule = "worth"`: what a retrain gave is measured on the window after it, beside the
model that it replaced. `clock` is retrained as often as `worth` was, at even distances, so the two
cost about the same. Seconds are the processor's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.contestants.offline import event_ndcg
from bench.ranking.stream import Stream, full_windows
from bench.ranking.stream_lines import StreamLine, train_line, update_line
from bench.ranking.stream_metrics import SeedRun
from bench.report.rows import BenchMetric
from cron.cycle.staleness import MeasuredRetrain, Staleness, decay_per_event, is_worth
from recommender.bundle import load_bundle
from trainer.config import TrainConfig

FIRST = 4  # the window before which `worth` is first retrained, to measure what that gives
PROTOCOL = "schedules"
CODE = ("bench/ranking/schedules.py", "cron/cycle/staleness.py")
Scores = dict[str, float]


@dataclass(slots=True)
class _ScheduledLine:
    """What one line has measured: its retrains, and the window of the last one."""

    line: StreamLine
    folder: Path
    measured: list[MeasuredRetrain] = field(default_factory=list)
    retrained: list[int] = field(default_factory=list)
    last_full: int = 0  # the place of the first event after the last full retrain
    full_s: float = 0.0


def run_schedules(
    stream: Stream, config: TrainConfig, folder: Path, *, worth: float
) -> dict[str, dict[str, object]]:
    """Follow the stream with both lines; return NDCG@10 of each window, seconds and retrains."""
    base = train_line(stream, config, folder / "base", stream.between(0, stream.base))
    base = replace(base, seconds=0.0)  # both lines have it

    def is_due_by_worth(one: _ScheduledLine, window: int) -> bool:
        if not one.measured:
            return window == FIRST
        decay = decay_per_event(one.measured) or 0.0
        staleness = Staleness(decay=decay, num_events=stream.bounds[window] - one.last_full)
        return is_worth(staleness, cost=one.full_s, worth=worth)

    by_worth = _follow(stream, base, folder / "worth", is_due_by_worth)
    fulls = full_windows(len(stream.windows), len(by_worth.retrained))
    by_clock = _follow(stream, base, folder / "clock", lambda _, window: window in fulls)
    lines = {"worth": by_worth, "clock": by_clock}
    return {
        name: {
            "ndcg": one.line.ndcg,
            "seconds": one.line.seconds,
            "retrained": one.retrained,
            "gains": [measured.gain for measured in one.measured],
        }
        for name, one in lines.items()
    }


def _follow(
    stream: Stream, base: StreamLine, folder: Path, is_due: Callable[[_ScheduledLine, int], bool]
) -> _ScheduledLine:
    """Follow the stream with one line, retrained before the windows that are due."""
    one = _ScheduledLine(replace(base, ndcg=[]), folder, last_full=stream.base)
    for window, (first, last) in enumerate(stream.windows):
        before: StreamLine | None = None
        if window > 0 and is_due(one, window):
            before = one.line
            one.line = _retrain(stream, one, window, first)
        scores = _score(stream, one.line, before, (first, last), folder)
        one.line.ndcg.append(scores["live"])
        if before is not None:
            gain = scores["live"] / scores["before"] - 1
            one.measured.append(MeasuredRetrain(gain=gain, num_events=first - one.last_full))
            one.retrained.append(window)
            one.last_full = first
        print(f"  {folder.name} {window + 1:2}: {scores}", flush=True)
        if last < stream.bounds[-1]:
            place = folder / f"update-{window}"
            one.line = update_line(stream, one.line, place, first, last, how="update")
    return one


def _retrain(stream: Stream, one: _ScheduledLine, window: int, first: int) -> StreamLine:
    """Return the line with a full retrain in place of its model, and its cost added."""
    # the same retrain of another line is not trained twice, and costs both
    place = one.folder.parent / f"full-{window}"
    full = train_line(stream, one.line.config, place, stream.between(0, first))
    one.full_s = full.seconds
    return replace(
        one.line,
        folder=full.folder,
        anchor=full.anchor,
        waiting=full.waiting,
        seconds=one.line.seconds + full.seconds,
    )


def _score(
    stream: Stream,
    live: StreamLine,
    before: StreamLine | None,
    window: tuple[int, int],
    folder: Path,
) -> Scores:
    lines = {"live": live, **({"before": before} if before is not None else {})}
    bundles = {
        name: load_bundle(line.folder / "candidate" / "bundle") for name, line in lines.items()
    }
    asked_E, known_E = stream.between(*window), stream.between(0, window[0])
    folder.mkdir(parents=True, exist_ok=True)
    return event_ndcg(stream.data, asked_E, known_E, bundles, live.config, folder=folder)


def metrics_of_schedules(name: str, runs: Sequence[SeedRun]) -> list[BenchMetric]:
    """Return the mean NDCG@10 of each line, its retrains, and the ratio of `worth` to `clock`."""
    metrics = []
    ndcg = {line: np.array([run[line]["ndcg"] for run in runs], float).mean(1) for line in runs[0]}
    for line, ndcg_S in ndcg.items():
        seconds = float(np.mean([float(str(run[line]["seconds"])) for run in runs]))
        note = f"retrained before windows {_windows(runs, line)}"
        values = {"NDCG@10": (float(ndcg_S.mean()), note)}
        if line != "clock":
            ratio_S = ndcg_S / ndcg["clock"]
            spread = f"seeds {ratio_S.min():.4f} to {ratio_S.max():.4f}"
            values["share of clock"] = (float(ratio_S.mean()), spread)
        for metric, (value, note) in values.items():
            metrics.append(
                BenchMetric(
                    metric=metric,
                    value=value,
                    unit="1",
                    set=name,
                    protocol=PROTOCOL,
                    model=line,
                    seeds=len(runs),
                    seconds=seconds,
                    note=note,
                )
            )
    return metrics


def _windows(runs: Sequence[SeedRun], line: str) -> str:
    """Return the windows before which a line was retrained, by seed."""
    numbers = [np.array(run[line]["retrained"], int) + 1 for run in runs]
    return "; ".join(", ".join(map(str, windows)) for windows in numbers)
