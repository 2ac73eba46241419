"""Peak memory and events a second of reading and ingesting large made-up files.

    python -m bench ingest

Each file is a MovieLens `ratings.csv` in a temporary folder, with a `movies.csv`. One process reads
it (`--dry-run`), another one ingests it into a SQLite event log; a peak is that of its process. A
file whose times are whole days, as Amazon's are, is only read: the search for equal rows among rows
of the same time takes more memory there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.report.rows import BenchMetric, is_quick, save
from cron.project_root import PROJECT_ROOT

COMMAND = "python -m bench ingest"
SIZES, QUICK_SIZES = (1_000_000, 10_000_000), (200_000,)
NUM_USERS, NUM_FILMS = 70_000, 10_000  # as MovieLens 10M
BEGAN_S, SPAN_S, DAY_S = 1_000_000_000, 400_000_000, 86_400


def write_ratings(folder: Path, num_ratings: int, *, whole_days: bool) -> None:
    """Write ratings of films drawn at random, ordered by user as GroupLens does."""
    generator = np.random.default_rng(0)
    at_s = BEGAN_S + generator.integers(0, SPAN_S, num_ratings)
    ratings = pd.DataFrame(
        {
            "userId": np.sort(generator.integers(1, NUM_USERS + 1, num_ratings)),
            "movieId": generator.integers(1, NUM_FILMS + 1, num_ratings),
            "rating": generator.integers(1, 11, num_ratings) / 2,
            "timestamp": at_s - at_s % DAY_S if whole_days else at_s,
        }
    )
    ratings.to_csv(folder / "ratings.csv", index=False)
    films = pd.DataFrame({"movieId": range(1, NUM_FILMS + 1)})
    films.assign(title=[f"Film {film} (1990)" for film in films["movieId"]], genres="Drama").to_csv(
        folder / "movies.csv", index=False
    )


def run_ingest(folder: Path, *words: str) -> tuple[dict[str, object], float, float]:
    """Run `cron ingest`; return its report, its seconds and its peak memory in MiB."""
    environment = {
        **os.environ,
        "FRESHET__STORE__EVENTS": f"sqlite:///{folder}/events.db",
        "FRESHET__STORE__VAR": str(folder / "var"),
    }
    began = time.monotonic()
    command = [sys.executable, "-m", "cron", "ingest", str(folder), "--json", *words]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        report = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{COMMAND}: {' '.join(command)}: exit status {process.returncode}")
    return json.loads(report), time.monotonic() - began, usage.ru_maxrss / 1024


def run(num_ratings: int, *, whole_days: bool) -> list[BenchMetric]:
    """Measure the reading of one file, and its ingestion unless its times are whole days."""
    metrics = []
    times = "whole days" if whole_days else "seconds"
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
        folder = Path(name)
        write_ratings(folder, num_ratings, whole_days=whole_days)
        size_mib = (folder / "ratings.csv").stat().st_size / 2**20
        for what in ("read",) if whole_days else ("read", "ingested"):
            words = ("--dry-run",) if what == "read" else ()
            report, seconds, peak_mib = run_ingest(folder, *words)
            note = f"{report['events']:,} events, {size_mib:.0f} MiB of CSV, times of {times}"
            title = f"{num_ratings:,} ratings, times of {times}, {what}"
            metrics.append(
                BenchMetric(metric=f"{title}: peak memory", value=peak_mib, unit="MiB", note=note)
            )
            metrics.append(
                BenchMetric(
                    metric=f"{title}: events a second",
                    value=num_ratings / seconds,
                    unit="1/s",
                    note=note,
                )
            )
            print(f"{title}: {peak_mib:.0f} MiB, {seconds:.0f} s", flush=True)
    return metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    argparse.ArgumentParser(
        prog=COMMAND, description="Memory and rate of reading and ingesting large files."
    ).parse_args(arguments)
    sizes = QUICK_SIZES if is_quick() else SIZES
    metrics = [
        one
        for size in sizes
        for whole_days in (False, True)
        for one in run(size, whole_days=whole_days)
    ]
    save("ingest", "made-up ratings", metrics, command=COMMAND)
