"""`pause`: publish nothing until `resume`."""

from __future__ import annotations

import argparse
import getpass

from cron.ledger import holds
from cron.settings.file import Loaded
from cron.wiring import open_ledger

SUMMARY = "publish nothing until `resume`; events are still accepted and collected"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--reason", metavar="TEXT", help="shown by `status` and `runs`")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Pause publishing."""
    reason = arguments.reason or f"paused by {getpass.getuser()} on the command line"
    hold = holds.pause(open_ledger(loaded.settings.store.ledger), reason)
    print(f"publishing is paused: {hold.reason}; to continue: python -m cron resume")
    return 0
