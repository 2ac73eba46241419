"""What reading and ingesting a large file takes: peak memory and events a second, of made-up MovieLens ratings.

    python -m bench ingest

Each is a `ratings.csv` in a temporary folder, with `movies.csv` beside it. One process reads it
(`--dry-run`), another one brings it into an event log of SQLite; each peak is that process's own. A
file whose times are whole days, as Amazon's are, is read alone: equal rows are sought among rows of
one time, which takes more memory.
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

from bench.report.rows import Measure, is_quick, save
from cron.wiring import PROJECT_ROOT

COMMAND = "python -m bench ingest"
SIZES, QUICK_SIZES = (1_000_000, 10_000_000), (200_000,)
NUM_USERS, NUM_FILMS = 70_000, 10_000  # as MovieLens 10M
BEGAN_S, SPAN_S, DAY_S = 1_000_000_000, 400_000_000, 86_400


def write_ratings(folder: Path, num_ratings: int, *, whole_days: bool) -> None:
    """Write that many ratings of films drawn at random, in the order of users, as GroupLens does."""
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


def measured(folder: Path, *words: str) -> tuple[dict[str, object], float, float]:
    """Run `cron ingest`; return what it says, its seconds and its peak memory in MiB."""
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
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{COMMAND}: {' '.join(command)} ended with status {process.returncode}")
    return json.loads(said), time.monotonic() - began, usage.ru_maxrss / 1024


def run(num_ratings: int, *, whole_days: bool) -> list[Measure]:
    """Measure one file, read and ingested."""
    measures = []
    times = "whole days" if whole_days else "seconds"
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
        folder = Path(name)
        write_ratings(folder, num_ratings, whole_days=whole_days)
        for what, words in (("read", ("--dry-run",)), *([] if whole_days else [("ingested", ())])):
            said, seconds, peak_mib = measured(folder, *words)
            note = f"{said['events']:,} events, {(folder / 'ratings.csv').stat().st_size / 2**20:.0f} MiB of CSV, times of {times}"
            title = f"{num_ratings:,} ratings, times of {times}, {what}"
            measures.append(
                Measure(metric=f"{title}: peak memory", value=peak_mib, unit="MiB", note=note)
            )
            measures.append(
                Measure(
                    metric=f"{title}: events a second",
                    value=num_ratings / seconds,
                    unit="1/s",
                    note=note,
                )
            )
            print(f"{title}: {peak_mib:.0f} MiB, {seconds:.0f} s", flush=True)
    return measures


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    argparse.ArgumentParser(
        prog=COMMAND, description="Memory and rate of reading and ingesting large files."
    ).parse_args(arguments)
    sizes = QUICK_SIZES if is_quick() else SIZES
    measures = [
        one
        for size in sizes
        for whole_days in (False, True)
        for one in run(size, whole_days=whole_days)
    ]
    save("ingest", "made-up ratings", measures, command=COMMAND)
