"""`trial`: end the trial of a candidate at once: promote it, or take it back."""

from __future__ import annotations

import argparse

from cron.settings.file import Loaded
from cron.verbs.actions import add_action
from cron.verbs.person import person_name
from cron.verbs.reasons import add_reason
from cron.wiring import open_decisions, open_ledger

SUMMARY = "promote the candidate that is on trial, or take it back"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in (
        ("promote", "make the candidate live without waiting for its visitors"),
        ("stop", "take the candidate back"),
    ):
        action = add_action(actions, name, summary)
        action.add_argument(
            "--version", type=int, metavar="VERSION", help="only if this version is on trial"
        )
        add_reason(action, shown_by="`runs` and `status`")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Promote or stop."""
    from cron.serving.decisions import Person

    ledger = open_ledger(loaded.settings.store.ledger)
    person = Person(by=person_name(), why=arguments.reason)
    decisions = open_decisions(loaded.settings, ledger)
    if arguments.action == "promote":
        version = decisions.end_trial("promote_trial", person, seen=arguments.version)
        print(f"version {version} is live after the worker's next turn")
        return 0
    version = decisions.end_trial("stop_trial", person, seen=arguments.version)
    print(f"version {version} answers nobody any more; the worker's next turn takes it back")
    return 0
