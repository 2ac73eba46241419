"""Rows of results: one JSON file a bench, and the Markdown table rendered from it.

Knows how to describe the machine and the versions; does not know what is measured. With
FRESHET_BENCH=quick the files lie in `results/quick`, their rows say so, and the benches that take
long measure less.
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

from cron.wiring import PROJECT_ROOT

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
class Measure:
    """One figure of one bench; `unit` is s, ms, 1/s, 1 (a share or a count)."""

    metric: str
    value: float
    unit: str
    note: str = ""
    # of quality benches: which model on which set by which protocol, a 95 % interval, how many
    # seeds, seconds of training
    set: str | None = None
    protocol: str | None = None
    model: str | None = None
    low: float | None = None
    high: float | None = None
    seeds: int | None = None
    seconds: float | None = None
    versions: Mapping[str, str] | None = None  # where it ran in another environment than ours


def is_quick() -> bool:
    """Tell whether small versions are asked for."""
    return os.environ.get("FRESHET_BENCH") == "quick"


def results_folder() -> Path:
    """Return where results go: a quick version never stands in the place of a full one."""
    return RESULTS / "quick" if is_quick() else RESULTS


def save(
    bench: str,
    data_set: str,
    measures: Sequence[Measure],
    *,
    command: str,
    results: Path | None = None,
) -> None:
    """Write `BENCH.json` (a list of rows) and `BENCH.md`.

    Of a quality bench the rows stay whose model was not measured now, on that set by that protocol.
    """
    folder = results if results is not None else results_folder()
    shared = {
        "bench": bench,
        "set": data_set,
        "command": _as_called(command),
        "hardware": hardware(),
        "versions": _versions(),
        "commit": commit(),
    }
    if is_quick():
        shared["extent"] = "quick"
    rows = [
        {**shared, **{name: value for name, value in asdict(measure).items() if value is not None}}
        for measure in measures
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{bench}.json"
    if path.exists() and any(measure.set is not None for measure in measures):
        measured = {_subject(row) for row in rows}
        rows = [row for row in json.loads(path.read_text()) if _subject(row) not in measured] + rows
    path.write_text(json.dumps(rows, indent=1) + "\n")
    path.with_suffix(".md").write_text(render(rows))


def _versions() -> dict[str, str]:
    """Return the versions of what is here: a machine that only trains needs no TorchServe."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _subject(row: Mapping[str, object]) -> tuple[object, ...]:
    return row["set"], row["protocol"], row["model"]


def _as_called(command: str) -> str:
    """Add the arguments of this process to the command, if this process runs it."""
    if sys.argv[1:2] != [command.rpartition(" ")[2]]:
        return command
    return shlex.join([*command.split(), *sys.argv[2:]])


def render(rows: Sequence[dict[str, object]]) -> str:
    """Render the rows of one bench as a Markdown page."""
    lines = [
        f"# {rows[0]['bench']} on {', '.join(dict.fromkeys(str(row['set']) for row in rows))}",
        "",
    ]
    if any("extent" in row for row in rows):
        lines += [
            "Small versions, by `make bench`: to see that everything works, not to be quoted.",
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
        named = (row["set"], row["protocol"], row["model"], row["metric"])
        value = float(str(row["value"]))
        lines.append(
            _line(
                *named,
                f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}",
                interval,
                row.get("seeds", 1),
                seconds,
                row["note"],
            )
        )
    return head + lines


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def hardware() -> str:
    """Describe the processor, the cores this process may use, the memory, and the GPU that torch sees."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{cpu}, {cores} core{'s' if cores > 1 else ''}, {memory_gib:.0f} GiB{gpu}"


def commit() -> str:
    """Return the short commit, with a plus sign when the tree differs from it in anything but what benches write."""
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    dirty = subprocess.run(
        [
            "git",
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--",
            ".",
            ":!bench/results",
            ":!README.md",
        ],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return (head or "unknown") + ("+" if dirty.strip() else "")
