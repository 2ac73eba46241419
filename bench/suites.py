"""The suites of benches: small versions for `make bench`, all for `make bench-full`.

Each run is a command of its own and is printed before it starts. A full run that succeeded with the
same code is skipped the next time. The long benches also keep their finished parts, so an
interrupted suite continues where it stopped. A failed run does not stop the others. At the end the
tables and the README's section are rendered.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.catalogue import BENCHES, overview
from bench.report.kept import files_digest, work_folder
from cron.project_root import PROJECT_ROOT

BEAUTY = "amazon-2014-beauty"
CODE = tuple(
    f"{folder}/**/*.py"
    for folder in (
        "recommender",
        "trainer",
        "sources",
        "handler",
        "cron",
        "gateway",
        "deploy",
        "bench",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """One bench with its arguments."""

    bench: str
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The command line, without the interpreter."""
        return ("-m", "bench", self.bench, *self.arguments)


QUICK = (
    BenchRun(bench="freshness"),
    BenchRun(bench="serving"),
    BenchRun(bench="registering"),
    BenchRun(bench="ingest"),
    BenchRun(bench="scale"),
    BenchRun(
        bench="quality",
        arguments=("--sets", "ml-100k", "--threads", "2", "--without-peers", "--without-ratings"),
    ),
    BenchRun(
        bench="prequential",
        arguments=("--sets", "ml-100k", "--seeds", "0", "--windows", "3", "--fulls", "2"),
    ),
    BenchRun(bench="cold", arguments=("--sets", "ml-100k", "--folds", "1")),
)
FULL_ML_100K = (
    BenchRun(bench="freshness"),
    BenchRun(bench="serving"),
    BenchRun(bench="registering"),
    BenchRun(bench="batches"),
    BenchRun(bench="crowd"),
    BenchRun(bench="backends"),
    BenchRun(bench="ingest"),
    BenchRun(bench="scale"),
    BenchRun(bench="quality", arguments=("--sets", "ml-100k", "--seeds", "0,1,2")),
    BenchRun(bench="cold", arguments=("--sets", "ml-100k", "--folds", "5")),
    BenchRun(bench="graph", arguments=("--folds", "2")),
    BenchRun(bench="prequential", arguments=("--sets", "ml-100k", "--seeds", "0,1,2")),
    BenchRun(bench="training", arguments=("--sets", "ml-100k")),
    BenchRun(bench="encoder_memory"),
)
FULL_BEAUTY = (
    BenchRun(bench="quality", arguments=("--sets", "beauty")),
    BenchRun(bench="cold", arguments=("--sets", "beauty", "--folds", "1")),
)
FULL_ML_1M = (
    BenchRun(bench="quality", arguments=("--sets", "ml-1m")),
    BenchRun(bench="cold", arguments=("--sets", "ml-1m", "--folds", "1")),
    BenchRun(bench="prequential", arguments=("--sets", "ml-1m", "--seeds", "0", "--fulls", "4")),
)

USAGE = """python -m bench NAME [arguments]
       python -m bench [--full] [--only A,B] [--again]"""
Call = Callable[[Sequence[str], Mapping[str, str]], int]


def main(arguments: Sequence[str], *, call: Call | None = None, code: str | None = None) -> int:
    """Run a suite and render the tables; return 1 when a run failed.

    `call` runs a command line (without the interpreter) with an environment and returns its status.
    `code` is the digest of the code, which decides whether a run is finished.
    """
    call = call or call_python
    code = code or files_digest(*CODE)
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.name:
        parser.error(f"no bench is called {given.name}; the names are {', '.join(BENCHES)}")
    runs = full_runs(beauty=_has_beauty()) if given.full else QUICK
    names = list(dict.fromkeys(run.bench for run in runs))
    wanted = given.only.split(",") if given.only else names
    if unknown := [name for name in wanted if name not in names]:
        suite = "full" if given.full else "small"
        parser.error(
            f"--only {unknown[0]}: no such bench in the {suite} suite; it has {', '.join(names)}"
        )
    if given.full and not _has_beauty():
        print(
            f"Amazon Beauty is left out: FRESHET_DATA names no folder that has {BEAUTY}/"
            " (bench/README.md describes its files)",
            flush=True,
        )
    failed: list[BenchRun] = []
    for run in runs:
        if run.bench not in wanted:
            continue
        stamp = _stamp(run, code)
        if given.full and not given.again and stamp.exists():
            print(f"= {' '.join(run.command)}: finished with this code", flush=True)
        elif not run_bench(run, call, full=given.full):
            failed.append(run)
        elif given.full:
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.touch()
    call(("-m", "bench", "tables"), {})
    for run in failed:
        print(f"failed: {' '.join(run.command)}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        usage=USAGE,
        description="Run one bench, or a suite of them: without --full the small versions.",
        epilog=f"benches (NAME --help describes the arguments of one):\n{overview()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a bench of the list below")
    parser.add_argument(
        "--full",
        action="store_true",
        help="run everything, for hours, into bench/results;"
        " without it the small versions run, into bench/results/quick",
    )
    parser.add_argument("--only", metavar="A,B", help="run only these benches of the suite")
    parser.add_argument(
        "--again", action="store_true", help="also run what succeeded with this code"
    )
    return parser


def full_runs(*, beauty: bool) -> tuple[BenchRun, ...]:
    """Return the full suite; no package index has Beauty, so it may be missing."""
    return (*FULL_ML_100K, *(FULL_BEAUTY if beauty else ()), *FULL_ML_1M)


def _has_beauty() -> bool:
    return "FRESHET_DATA" in os.environ and (Path(os.environ["FRESHET_DATA"]) / BEAUTY).is_dir()


def _stamp(run: BenchRun, code: str) -> Path:
    """Return the file that exists if this run has succeeded with this code."""
    decided_by = f"{code} {' '.join(run.command)}"
    return (
        work_folder()
        / "done"
        / f"{run.bench}-{hashlib.sha256(decided_by.encode()).hexdigest()[:12]}"
    )


def run_bench(run: BenchRun, call: Call, *, full: bool) -> bool:
    """Run one bench and return whether it succeeded."""
    shown = " ".join(run.command)
    print(f"+ {shown}", flush=True)
    began = time.monotonic()
    status = call(run.command, {"FRESHET_BENCH": "full" if full else "quick"})
    end = "done" if status == 0 else f"failed with status {status}"
    print(f"+ {shown}: {end} after {time.monotonic() - began:.0f} s", flush=True)
    return status == 0


def call_python(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command line of this interpreter in the project's folder; return its status."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        check=False,
    ).returncode
