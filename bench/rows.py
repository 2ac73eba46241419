"""Rows of results: one JSON file a bench, and the Markdown table rendered from it.

Knows how to describe the machine and the versions; does not know what is measured.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "torchserve", "apscheduler", "fastapi", "pyarrow", "sqlalchemy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure of one bench; `unit` is s, ms, 1/s, 1 (a share or a count)."""

    metric: str
    value: float
    unit: str
    note: str = ""
    # of quality benches: which model on which set by which protocol, a 95 % interval, how many seeds, seconds of training
    set: str | None = None
    protocol: str | None = None
    model: str | None = None
    low: float | None = None
    high: float | None = None
    seeds: int | None = None
    seconds: float | None = None


def save(bench: str, data_set: str, measures: Sequence[Measure], *, command: str, results: Path = RESULTS) -> None:
    """Write `results/BENCH.json` (a list of rows) and `results/BENCH.md`."""
    shared = {
        "bench": bench,
        "set": data_set,
        "command": command,
        "hardware": hardware(),
        "versions": {name: version(name) for name in PACKAGES},
        "commit": commit(),
    }
    rows = [{**shared, **{name: value for name, value in asdict(measure).items() if value is not None}} for measure in measures]
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{bench}.json").write_text(json.dumps(rows, indent=1) + "\n")
    (results / f"{bench}.md").write_text(render(rows))


def render(rows: Sequence[dict[str, object]]) -> str:
    """Render the rows of one bench as a Markdown page."""
    first = rows[0]
    versions = first["versions"]
    assert isinstance(versions, dict)
    lines = [
        f"# {first['bench']} on {first['set']}",
        "",
        f"`{first['command']}` at commit {first['commit']} on {first['hardware']}; "
        + ", ".join(f"{k} {v}" for k, v in versions.items())
        + ".",
        "",
    ]
    lines += _quality_table(rows) if "model" in first else _table(rows)
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[dict[str, object]]) -> list[str]:
    head = ["| metric | value | unit | note |", "|---|---:|---|---|"]
    return head + [f"| {row['metric']} | {row['value']:.4g} | {row['unit']} | {row['note']} |" for row in rows]


def _quality_table(rows: Sequence[dict[str, object]]) -> list[str]:
    head = ["| set | protocol | model | metric | value | 95 % interval | seeds | training |", "|---|---|---|---|---:|---|---:|---:|"]
    lines = []
    for row in rows:
        interval = f"{row['low']:.4f} to {row['high']:.4f}" if "low" in row else ""
        seconds = f"{row['seconds']:.0f} s" if "seconds" in row else ""
        shown = (row["set"], row["protocol"], row["model"], row["metric"], f"{row['value']:.4f}", interval, row.get("seeds", 1), seconds)
        lines.append("| " + " | ".join(map(str, shown)) + " |")
    return head + lines


def hardware() -> str:
    """Describe the processor, the cores this process may use, and the memory."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {len(os.sched_getaffinity(0))} cores, {memory_gib:.0f} GiB"


def commit() -> str:
    """Return the short commit, with a plus sign when the tree differs from it."""
    root = Path(__file__).parents[1]
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False).stdout.strip()
    dirty = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=root, capture_output=True, text=True, check=False
    ).stdout
    return (head or "unknown") + ("+" if dirty.strip() else "")
