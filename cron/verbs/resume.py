"""`resume`: publish again, without journal ranges that must never be trained on."""

from __future__ import annotations

import argparse

from cron.ledger import holds
from cron.settings.file import Loaded
from cron.verbs.person import person_name
from cron.verbs.reasons import add_reason
from cron.wiring import open_decisions, open_ledger

SUMMARY = "publish again after a rollback or a pause"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--exclude",
        type=journal_range,
        action="append",
        default=[],
        metavar="FROM-TO",
        help="journal numbers that must never be trained on, both inclusive; may be repeated; "
        "`releases` shows what each release was trained on",
    )
    add_reason(parser, shown_by="`status`")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Resume publishing."""
    from cron.serving.decisions import Person

    ledger = open_ledger(loaded.settings.store.ledger)
    person = Person(by=person_name(), why=arguments.reason)
    was_paused = open_decisions(loaded.settings, ledger).resume(arguments.exclude, person)
    excluded = ", ".join(f"{first}–{last}" for first, last in holds.excluded_ranges(ledger))
    never = f"; never trained on: {excluded}" if excluded else ""
    print(f"publishing continues{never}" if was_paused else f"publishing was not paused{never}")
    return 0


def journal_range(text: str) -> tuple[int, int]:
    """Parse FROM-TO; argparse turns the error into a usage message."""
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid range; expected FROM-TO, such as 81234-82233"
        )
    return int(first), int(last)
