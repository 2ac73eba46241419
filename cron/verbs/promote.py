"""`promote`: make an earlier or later release live again."""

from __future__ import annotations

import argparse

from cron.ledger import holds
from cron.ports import ArtifactStore
from cron.settings.file import Loaded
from cron.settings.places import var_folder
from cron.wiring import open_artifacts, open_ledger, open_server

SUMMARY = "make a release live that was live before; a pause continues"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "version", type=int, metavar="VERSION", help="the version of a release, as in `releases`"
    )


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Promote the release."""
    from cron.serving.release import promote

    settings = loaded.settings
    ledger = open_ledger(settings.store.ledger)
    limit_s = settings.release.drain_timeout_s
    server = open_server(settings.store.server, var=var_folder(settings), drain_timeout_s=limit_s)

    def artifacts() -> ArtifactStore:
        return open_artifacts(settings.store.artifacts)  # opened only if needed

    release = promote(ledger, server, arguments.version, artifacts=artifacts)
    held = "; publishing stays paused until: python -m cron resume" if holds.current(ledger) else ""
    print(f"version {release.version} is live{held}")
    return 0
