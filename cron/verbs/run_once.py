"""`run-once`: one turn of the cycle now, and what came of it."""

from __future__ import annotations

import argparse

from cron.settings_file import Loaded
from cron.verbs.runs import lines_of

SUMMARY = "do one turn of the cycle now; print the verdict and its reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--full", action="store_true", help="retrain from scratch, however little is new")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Take the lease, turn once, print; 1 when the run was refused or failed."""
    from cron.wiring import open_parts
    from cron.worker import run_once

    ended = run_once(open_parts(loaded.settings), force_full=arguments.full)
    print("\n".join(lines_of(ended)))
    return 0 if ended.outcome in ("published", "skipped") else 1
