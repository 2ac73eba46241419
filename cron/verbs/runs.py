"""`runs`: why each run did or didn't publish."""

from __future__ import annotations

import argparse

from cron.ledger import run_rows
from cron.lineage import Run
from cron.metrics.overview import run_json
from cron.settings.file import Loaded
from cron.verbs.table import age, clock, show_json
from cron.wiring import open_ledger

SUMMARY = "why each run did or didn't publish, newest first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="so many runs (default 20)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Print the runs."""
    runs = run_rows.newest(open_ledger(loaded.settings.store.ledger), max(1, arguments.limit))
    if arguments.json:
        show_json([run_json(one) for one in runs])
    elif not runs:
        print("no run yet; the worker starts one by itself, python -m cron run-once does it now")
    else:
        print("\n".join(line for one in runs for line in lines_of(one)))
    return 0


def lines_of(run: Run) -> list[str]:
    """Say how a run ended and why, a line a reason."""
    times = f", {run.count} times" if run.count > 1 else ""
    took = (
        ""
        if run.ended_at is None or run.mode is None
        else f", took {age(run.ended_at - run.started_at)}"
    )
    version = (
        ""
        if run.version is None
        else f" release {run.version}"
        if run.outcome == "published"
        else f" version {run.version}"
    )
    head = f"run {run.run_id}  {clock(run.started_at)}  {run.mode or '–'}  {run.outcome or 'under way'}{version}{times}{took}"
    return [head, *(f"    {'✓' if reason.ok else '✗'} {reason.text}" for reason in run.reasons)]
