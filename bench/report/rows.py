"""Rows of results: one JSON file per bench, and the Markdown page rendered from it.

A row names the machine, the versions, the commit and the command. With FRESHET_BENCH=quick the
files go to `results/quick`, their rows say so, and the benches that take long measure less.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from cron.project_root import PROJECT_ROOT

RESULTS = PROJECT_ROOT / "bench" / "results"
PACKAGES = (
    "torch",
    "transformers",
    "torchserve",
    "apscheduler",
    "fastapi",
    "pyarrow",
    "sqlalchemy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchMetric:
    """One measured value of one bench; `unit` is s, ms, 1/s, 1 (a share or a count)."""

    metric: str
    value: float
    unit: str
    note: str = ""
    # Of quality benches: the model, the set and the protocol, a 95 % interval, the number of seeds,
    # and the seconds of training.
    set: str | None = None
    protocol: str | None = None
    model: str | None = None
    low: float | None = None
    high: float | None = None
    seeds: int | None = None
    seconds: float | None = None
    versions: Mapping[str, str] | None = None  # if it ran in another environment than ours


def is_quick() -> bool:
    """Return whether the small versions of benches are wanted."""
    return os.environ.get("FRESHET_BENCH") == "quick"


def results_folder(results: Path = RESULTS) -> Path:
    """Return the folder for results; small versions have one of their own."""
    return results / "quick" if is_quick() else results


def save(
    bench: str,
    data_set: str,
    metrics: Sequence[BenchMetric],
    *,
    command: str,
    results: Path = RESULTS,
) -> None:
    """Write `BENCH.json` (a list of rows) and `BENCH.md`.

    A bench whose metrics name their set replaces only the rows of the sets, protocols and models
    that it measured now.
    """
    folder = results_folder(results)
    shared = {
        "bench": bench,
        "set": data_set,
        "command": _with_arguments(command),
        "hardware": hardware(),
        "versions": versions_of(PACKAGES),
        "commit": commit(),
    }
    if is_quick():
        shared["extent"] = "quick"
    rows = [
        {**shared, **{name: value for name, value in asdict(metric).items() if value is not None}}
        for metric in metrics
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{bench}.json"
    if path.exists() and any(metric.set is not None for metric in metrics):
        measured = {_subject(row) for row in rows}
        rows = [
            row
            for row in json.loads(path.read_text(encoding="utf-8"))
            if _subject(row) not in measured
        ] + rows
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(render(rows), encoding="utf-8")


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of the installed ones; a machine that only trains has fewer."""
    versions = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _subject(row: Mapping[str, object]) -> tuple[object, ...]:
    return row["set"], row.get("protocol"), row.get("model")


def _with_arguments(command: str) -> str:
    """Add the arguments of this process to the command, if this process runs it.

    A folder of this machine is called FOLDER.
    """
    if sys.argv[1:2] != [command.rpartition(" ")[2]]:
        return command
    return shlex.join([*command.split(), *map(_without_place, sys.argv[2:])])


def _without_place(argument: str) -> str:
    return "FOLDER" if Path(argument).is_absolute() else argument


def render(rows: Sequence[dict[str, object]]) -> str:
    """Render the rows of one bench as a Markdown page."""
    sets = ", ".join(dict.fromkeys(str(row["set"]) for row in rows))
    lines = [f"# {rows[0]['bench']} on {sets}", ""]
    if any("extent" in row for row in rows):
        lines += [
            "Small versions from `make bench`: they show that everything works,"
            " and are not to be quoted.",
            "",
        ]
    for origin in dict.fromkeys(_origin(row) for row in rows):
        lines += [origin, ""]
    lines += _quality_table(rows) if "model" in rows[0] else _table(rows)
    return "\n".join(lines) + "\n"


def _origin(row: dict[str, object]) -> str:
    versions = row["versions"]
    assert isinstance(versions, dict)
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"`{row['command']}` at commit {row['commit']} on {row['hardware']}; {named}."


def _table(rows: Sequence[dict[str, object]]) -> list[str]:
    head = ["| metric | value | unit | note |", "|---|---:|---|---|"]
    return head + [
        f"| {row['metric']} | {row['value']:.4g} | {row['unit']} | {row['note']} |" for row in rows
    ]


def _quality_table(rows: Sequence[dict[str, object]]) -> list[str]:
    head = [
        "| set | protocol | model | metric | value | 95 % interval | seeds | training | note |",
        "|---|---|---|---|---:|---|---:|---:|---|",
    ]
    lines = []
    for row in rows:
        interval = f"{row['low']:.4f} to {row['high']:.4f}" if "low" in row else ""
        seconds = f"{row['seconds']:.0f} s" if "seconds" in row else ""
        subject = (row["set"], row["protocol"], row["model"], row["metric"])
        value = float(str(row["value"]))
        lines.append(
            _line(
                *subject,
                _value_text(value),
                interval,
                row.get("seeds", 1),
                seconds,
                row["note"],
            )
        )
    return head + lines


def _value_text(value: float) -> str:
    """Write a value with four decimals, one if it is large, or two digits if all would be zero."""
    if abs(value) >= 10:
        return f"{value:,.1f}"
    return f"{value:.2g}" if 0 < abs(value) < 0.00005 else f"{value:.4f}"


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def hardware() -> str:
    """Describe the processor, the cores this process may use, the memory, and torch's GPU."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{cpu}, {cores} core{'s' if cores > 1 else ''}, {memory_gib:.0f} GiB{gpu}"


def commit() -> str:
    """Return the short commit, with a plus sign if the tree has changes.

    Changes of what the benches themselves write do not count.
    """
    head = _git("rev-parse", "--short", "HEAD")
    dirty = _git(
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ".",
        ":!bench/results",
        ":!README.md",
    )
    return (head or "unknown") + ("+" if dirty else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
