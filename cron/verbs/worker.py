"""`worker`: the process that keeps the model fresh."""

from __future__ import annotations

import argparse

from cron.settings.file import Loaded

SUMMARY = "keep the model fresh: collect, train, judge, publish, reconcile, follow; until SIGTERM"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments."""
    del parser


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Run until SIGTERM."""
    del arguments
    from cron.wiring import open_services
    from cron.worker.worker import run_worker

    return run_worker(open_services(loaded.settings))
