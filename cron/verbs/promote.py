"""`promote`: make an earlier or later release live again."""

from __future__ import annotations

import argparse

from cron.ledger import holds
from cron.settings.file import Loaded
from cron.verbs.person import person_name
from cron.verbs.reasons import add_reason
from cron.wiring import open_decisions, open_ledger

SUMMARY = "make a release live that was live before; a pause continues"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "version", type=int, metavar="VERSION", help="the version of a release, as in `releases`"
    )
    add_reason(parser, shown_by="`status`")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Promote the release."""
    from cron.serving.decisions import Person

    ledger = open_ledger(loaded.settings.store.ledger)
    person = Person(by=person_name(), why=arguments.reason)
    open_decisions(loaded.settings, ledger).promote(arguments.version, person)
    held = "; publishing stays paused until: python -m cron resume" if holds.current(ledger) else ""
    print(f"version {arguments.version} is live{held}")
    return 0
