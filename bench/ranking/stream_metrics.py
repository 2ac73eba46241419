"""Metrics of the stream: means, gains and shares with intervals, and curves."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.contestants.offline import BOOTSTRAP_DRAWS
from bench.ranking.stream import takeovers
from bench.report.curve import draw
from bench.report.labels import STREAM
from bench.report.rows import BenchMetric, results_folder

LINES = ("sketch", "static", "control", "update", "accepted", "rolling", "full")
SeedRun = Mapping[str, Mapping[str, object]]  # by line: ndcg of each window, seconds, accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamValue:
    """A value over seeds: its spread as a note, and an interval if it is a ratio."""

    value: float
    spread: str
    low: float | None = None
    high: float | None = None


def metrics_of(name: str, runs: Sequence[SeedRun], fulls: Sequence[int]) -> list[BenchMetric]:
    """Return each line's mean, its gain over `static`, and its share of the full retrains'.

    Means are over windows and seeds. The gain of `full`, and all shares, are over the windows that
    have a full retrain.
    """
    curves = _curves(runs, fulls)
    metrics = []
    for line, curve_SW in curves.items():
        seconds = float(np.mean([float(str(one[line]["seconds"])) for one in runs]))
        for metric, value in _line_values(line, curves, runs, fulls).items():
            metrics.append(
                BenchMetric(
                    metric=metric,
                    value=value.value,
                    low=value.low,
                    high=value.high,
                    unit="1",
                    set=name,
                    protocol=STREAM,
                    model=line,
                    seeds=len(runs),
                    seconds=seconds,
                    note=f"{curve_SW.shape[1]} windows{value.spread}",
                )
            )
    return metrics


def _line_values(
    line: str,
    curves: Mapping[str, NDArray[np.float64]],
    runs: Sequence[SeedRun],
    fulls: Sequence[int],
) -> dict[str, StreamValue]:
    """Return the values of one line by metric."""
    own_SW, static_SW, full_SW = curves[line], curves["static"], curves["full"]
    num_windows = static_SW.shape[1]
    if line == "full":
        gain = _ratio(own_SW, static_SW[:, list(fulls)], less=1.0)
        share = _ratio(own_SW, full_SW)
    else:
        gain = _ratio(own_SW, static_SW, less=1.0)
        share = _ratio(own_SW[:, list(fulls)], full_SW)
    values = {"NDCG@10": _mean(own_SW.mean(1)), "gain over static": gain}
    # Where the only full retrains are those that `rolling` took over, the two are the same.
    if line != "rolling" or len(fulls) >= num_windows - 1:
        values["share of full"] = share
    if line == "accepted":
        accepted = np.array([one[line]["accepted"] for one in runs], float)
        values["accepted updates"] = _mean(accepted)
    return values


def _mean(value_S: NDArray[np.float64]) -> StreamValue:
    """Return the mean over seeds, with the least and the greatest as a note."""
    spread = f", seeds {value_S.min():.4f} to {value_S.max():.4f}" if len(value_S) > 1 else ""
    return StreamValue(value=float(value_S.mean()), spread=spread)


def _ratio(
    one_SW: NDArray[np.float64], other_SW: NDArray[np.float64], *, less: float = 0.0
) -> StreamValue:
    """Return the ratio of the means of two lines, minus `less`.

    The interval is by bootstrap over windows; a draw takes the same windows of both lines.
    """
    num_windows = one_SW.shape[1]
    drawn_DW = np.random.default_rng(0).integers(num_windows, size=(BOOTSTRAP_DRAWS, num_windows))
    ratio_D = one_SW.mean(0)[drawn_DW].mean(1) / other_SW.mean(0)[drawn_DW].mean(1) - less
    low, high = np.quantile(ratio_D, (0.025, 0.975))
    return StreamValue(
        value=float(one_SW.mean() / other_SW.mean() - less),
        spread=_mean(one_SW.mean(1) / other_SW.mean(1) - less).spread,
        low=float(low),
        high=float(high),
    )


def _curves(runs: Sequence[SeedRun], fulls: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Return NDCG@10 of each line by seed and window.

    `rolling` is left out where no full retrain takes over, since it is `update` there.
    """
    curves = {line: np.array([one[line]["ndcg"] for one in runs], float) for line in LINES}
    if not takeovers(curves["static"].shape[1], frozenset(fulls)):
        del curves["rolling"]
    return curves


def write_curve(name: str, runs: Sequence[SeedRun], fulls: Sequence[int]) -> None:
    """Write each window's mean over seeds as CSV and PNG.

    In the CSV `full` is empty in windows without a full retrain.
    """
    columns = {line: curve_SW.mean(0) for line, curve_SW in _curves(runs, fulls).items()}
    results_folder().mkdir(parents=True, exist_ok=True)
    with (results_folder() / f"prequential-{name}.csv").open(
        "w", newline="", encoding="utf-8"
    ) as file:
        rows = csv.writer(file)
        rows.writerow(["window", *columns])
        for window in range(len(columns["static"])):
            others = [f"{column[window]:.5f}" for line, column in columns.items() if line != "full"]
            full = f"{columns['full'][fulls.index(window)]:.5f}" if window in fulls else ""
            rows.writerow([window + 1, *others, full])
    draw(
        columns,
        fulls,
        title=f"{name}, {len(runs)} seeds",
        path=results_folder() / f"prequential-{name}.png",
    )
