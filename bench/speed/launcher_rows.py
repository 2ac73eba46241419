"""Rows of the bench of launchers, which are printed as they are made."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bench.report.labels import LAUNCHERS
from bench.report.rows import BenchMetric


def launcher_rows(
    name: str, model: str, values: Mapping[str, tuple[float, str]], note: str
) -> list[BenchMetric]:
    """Return a row of each metric, whose value has a unit, for a set and a launcher."""
    rows = []
    for metric, (value, unit) in values.items():
        print(f"{name:8} {model:24} {metric:44} {value:.6g} {unit}", flush=True)
        rows.append(
            BenchMetric(
                metric=metric,
                value=value,
                unit=unit,
                note=note,
                set=name,
                protocol=LAUNCHERS,
                model=model,
            )
        )
    return rows


def load_note() -> str:
    """Return how many programs wanted a core in the last quarter of an hour."""
    return f"load {os.getloadavg()[2]:.0f}"
