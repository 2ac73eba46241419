"""`run-once`: do one turn of the cycle now and print its outcome."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cron.errors import AlreadyRunning
from cron.ledger import rental_rows, run_rows
from cron.ledger.full_request import request_full
from cron.ledger.ledger import Ledger
from cron.local.beside import repeating
from cron.metrics.overview import progress_of
from cron.settings.file import Loaded
from cron.verbs.runs import lines_of
from recommender.long_work import PhaseLines

LOOK_S = 0.5
_REQUESTED = (
    "a worker runs here: its next turn, after the run in progress, retrains from scratch; "
    "to watch it: python -m cron status"
)
SUMMARY = "do one turn of the cycle now and print the verdict with its reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--full", action="store_true", help="retrain from scratch, even if there are few new events"
    )


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Do one turn and print its outcome; return 1 if the run was refused or failed."""
    from cron.wiring import open_services
    from cron.worker.worker import run_once

    services = open_services(loaded.settings)
    try:
        with _progress(services.ledger, services.paths.runs):
            ended = run_once(services, force_full=arguments.full)
    except AlreadyRunning:
        if not arguments.full:
            raise
        request_full(services.ledger)
        print(_REQUESTED)
        return 0
    print("\n".join(lines_of(ended)))
    return 0 if ended.outcome in ("published", "skipped", None) else 1


@contextmanager
def _progress(ledger: Ledger, runs_folder: Path) -> Iterator[None]:
    """Show the progress of the run and its training on the standard error."""
    from tqdm import tqdm

    lines = PhaseLines(lambda line: print(line, file=sys.stderr, flush=True))

    def look() -> bool:
        run = run_rows.open_run(ledger)
        progress = None
        if run is not None:
            rentals = rental_rows.running(ledger)
            progress = progress_of(run, rentals, runs_folder, now=ledger.now())
        phase, done, total = f"run {run.run_id}" if run else "collecting", 0, 1
        if progress:
            phase, done, total = progress.phase, progress.done, max(progress.total, 1)
        if bar.disable:
            lines.show(phase, f"{done / total:.0%} done" if done else "")
            return True
        bar.set_description(phase, refresh=False)
        bar.total, bar.n = total, done
        bar.refresh()
        return True

    with (
        tqdm(
            desc="collecting",
            total=1,
            leave=False,
            disable=None,
            bar_format="{desc:<20} {percentage:3.0f}% |{bar}| {elapsed}",
        ) as bar,
        repeating(look, every_s=LOOK_S),
    ):
        yield
