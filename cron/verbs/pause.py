"""`pause`: publish nothing until `resume`."""

from __future__ import annotations

import argparse

from cron.settings.file import Loaded
from cron.verbs.person import person_name
from cron.verbs.reasons import add_reason
from cron.wiring import open_decisions, open_ledger

SUMMARY = "publish nothing until `resume`; events are still accepted and collected"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_reason(parser, shown_by="`status` and `runs`")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Pause publishing."""
    from cron.serving.decisions import Person

    person = Person(by=person_name(), why=arguments.reason)
    ledger = open_ledger(loaded.settings.store.ledger)
    hold = open_decisions(loaded.settings, ledger).pause(person)
    print(f"publishing is paused: {hold.reason}; to continue: python -m cron resume")
    return 0
