"""`runs`: show why each run did or did not publish."""

from __future__ import annotations

import argparse

from cron.ledger import run_rows
from cron.lineage import Run
from cron.metrics.overview import run_json
from cron.settings.file import Loaded
from cron.verbs.numbers import whole_number
from cron.verbs.table import age, clock, show_json
from cron.wiring import open_ledger

SUMMARY = "show why each run did or did not publish, newest first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--limit",
        type=whole_number,
        default=20,
        metavar="N",
        help="the number of runs to show (default 20)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Print the runs."""
    runs = run_rows.newest(open_ledger(loaded.settings.store.ledger), arguments.limit)
    if arguments.json:
        show_json([run_json(one) for one in runs])
    elif not runs:
        print("no run yet; the worker will start one, or start one now: python -m cron run-once")
    else:
        print("\n".join(line for one in runs for line in lines_of(one)))
    return 0


def lines_of(run: Run) -> list[str]:
    """Return how a run ended, followed by one line per reason."""
    head = f"run {run.run_id}  {clock(run.started_at)}  {run.mode or '–'}  {_outcome(run)}"
    return [head, *(f"    {'✓' if reason.ok else '✗'} {reason.text}" for reason in run.reasons)]


def _outcome(run: Run) -> str:
    """Return the outcome with its version, the number of equal runs and the duration."""
    text = str(run.outcome or "in progress")
    if run.version is not None:
        noun = "release" if run.outcome == "published" else "version"
        text += f" {noun} {run.version}"
    if run.count > 1:
        text += f", {run.count} times"
    if run.ended_at is not None and run.mode is not None:
        text += f", took {age(run.ended_at - run.started_at)}"
    if run.cost:
        text += f", cost {run.cost:.2f}"
    return text
