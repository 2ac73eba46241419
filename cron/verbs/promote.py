"""`promote`: make a release live that was live before."""

from __future__ import annotations

import argparse

from cron.ledger import holds
from cron.settings.file import Loaded
from cron.settings.places import var_folder
from cron.wiring import open_artifacts, open_ledger, open_server

SUMMARY = "make a release live again, forward or back; a pause stays"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "version", type=int, metavar="VERSION", help="a release, as `releases` lists them"
    )


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Promote."""
    from cron.serving.release import promote

    settings = loaded.settings
    ledger = open_ledger(settings.store.ledger)
    limit_s = settings.release.drain_timeout_s
    server = open_server(settings.store.server, var=var_folder(settings), drain_timeout_s=limit_s)
    artifacts = lambda: open_artifacts(settings.store.artifacts)  # noqa: E731 - opened only when it is needed
    release = promote(ledger, server, arguments.version, artifacts=artifacts)
    held = "; publishing stays paused until: python -m cron resume" if holds.current(ledger) else ""
    print(f"version {release.version} is live{held}")
    return 0
