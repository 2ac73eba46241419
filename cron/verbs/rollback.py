"""`rollback`: make an earlier release live at once, and pause publishing."""

from __future__ import annotations

import argparse
import os
import time
from datetime import timedelta
from pathlib import Path

from cron.settings.file import Loaded
from cron.verbs.person import person_name
from cron.verbs.reasons import add_reason
from cron.wiring import open_decisions, open_ledger

SUMMARY = (
    "make the previous good release, or VERSION, live at once; publishing is paused until `resume`"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "version", type=int, nargs="?", metavar="VERSION", help="default: the previous good release"
    )
    add_reason(parser, shown_by="`status` and `runs`")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Roll back.

    This needs only the ledger and the model server, unless the version is no longer loaded.
    """
    from cron.serving.decisions import Person

    ledger = open_ledger(loaded.settings.store.ledger)
    person = Person(by=person_name(), why=arguments.reason)
    asked_at = ledger.now() - timedelta(seconds=_age_s())
    decisions = open_decisions(loaded.settings, ledger)
    done = decisions.roll_back(arguments.version, person, asked_at=asked_at)
    was = f", version {done.was} was" if done.was != done.version else ""
    print(f"version {done.version} is live{was}; publishing is paused until: python -m cron resume")
    return 0


def _age_s() -> float:
    """Return the age of this process: the person who started it saw the state of that time."""
    # The time of its start, in clock ticks since boot.
    ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
