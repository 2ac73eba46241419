"""Costs by size of catalogue and history: measured in a process, as rows, as pictures."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.report.rows import BenchMetric


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A size of shop; `num_events` is 0 where the history does not matter."""

    num_items: int
    num_events: int = 0

    def __str__(self) -> str:
        events = f", {self.num_events:,} events" if self.num_events else ""
        return f"{self.num_items:,} items{events}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One measured value at a size, and the peak memory of the process that had it.

    Parts of another value are rows of the table and are not drawn.
    """

    size: Size
    what: str
    value: float
    unit: str
    peak_gib: float | None = None
    note: str = ""
    is_drawn: bool = True


def peak_gib() -> float:
    """Return this process's peak memory in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def in_own_process(measure: Callable[[Size], list[Cost]], size: Size) -> list[Cost]:
    """Call a measurement in a new process, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        return processes.submit(measure, size).result()


def metrics_of(costs: Sequence[Cost]) -> list[BenchMetric]:
    """Return values and peak memory as rows."""
    rows = []
    for cost in costs:
        title = f"{cost.size}, {cost.what}"
        rows.append(BenchMetric(metric=title, value=cost.value, unit=cost.unit, note=cost.note))
        if cost.peak_gib is not None:
            rows.append(
                BenchMetric(metric=f"{title}: peak memory", value=cost.peak_gib, unit="GiB")
            )
    return rows


def draw(costs: Sequence[Cost], path: Path, *, title: str) -> None:
    """Draw each kind of value over the items, or over the events where the items are the same.

    Both axes are logarithmic, and values of different units have pictures of their own.
    """
    from matplotlib.figure import Figure

    drawn = [cost for cost in costs if cost.is_drawn]
    units = tuple(dict.fromkeys(cost.unit for cost in drawn))
    picture = Figure(figsize=(6.5 * len(units), 5.5), layout="constrained")
    for axes, unit in zip(picture.subplots(1, len(units), squeeze=False)[0], units, strict=True):
        chosen = [cost for cost in drawn if cost.unit == unit]
        over_events = len({cost.size.num_items for cost in chosen}) == 1
        for label, line in _lines(chosen, over_events=over_events).items():
            axes.plot([x for x, _ in line], [y for _, y in line], "o-", label=label)
        xlabel = "events" if over_events else "items"
        axes.set(title=title, xlabel=xlabel, ylabel=unit, xscale="log", yscale="log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    picture.savefig(path, dpi=110, metadata={"Software": None})


def _lines(costs: Sequence[Cost], *, over_events: bool) -> dict[str, list[tuple[int, float]]]:
    lines: dict[str, list[tuple[int, float]]] = {}
    for cost in costs:
        label, place = cost.what, cost.size.num_events
        if not over_events:
            label += f", {place:,} events" if place else ""
            place = cost.size.num_items
        lines.setdefault(label, []).append((place, cost.value))
    return lines
