"""`rollback`: put a release back at once, and pause publishing."""

from __future__ import annotations

import argparse
import getpass

from cron.settings_file import Loaded
from cron.wiring import open_artifacts, open_ledger, open_server

SUMMARY = "put the previous good release back at once, or VERSION; publishing is paused until `resume`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("version", type=int, nargs="?", metavar="VERSION", help="default: the previous good release")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Roll back; needs the ledger and the model server only, unless the version is not loaded any more."""
    from cron.release import rollback

    settings = loaded.settings
    ledger = open_ledger(settings.store.ledger)
    before = ledger.live()
    server = open_server(settings.store.server, drain_timeout_s=settings.release.drain_timeout_s)
    artifacts = lambda: open_artifacts(settings.store.artifacts)  # noqa: E731 - opened only when it is needed
    release = rollback(ledger, server, arguments.version, by=f"{getpass.getuser()} on the command line", artifacts=artifacts)
    was = f", version {before.version} was" if before and before.version != release.version else ""
    print(f"version {release.version} is live{was}; publishing is paused until: python -m cron resume")
    return 0
