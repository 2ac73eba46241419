"""`adopt`: add the journal's newer segments to a ledger that was restored from a backup."""

from __future__ import annotations

import argparse

from cron.ledger import journal_rows
from cron.settings.file import Loaded
from cron.verbs.table import count

SUMMARY = "add newer segments of the journal to the ledger after restoring an older ledger"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    del parser


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Adopt the segments and print their range."""
    del arguments
    from cron.wiring import open_services
    from cron.worker.lease import working_alone

    services = open_services(loaded.settings)
    # Every segment is fetched and verified, which can take longer than a lease lasts.
    with working_alone(services) as lease:
        # The log no longer has what the newer ledger had collected. What is left in it may be
        # collected again and counts once.
        cursor = services.log.give_up(journal_rows.log_cursor(services.ledger))
        adopted = services.journal.adopt(cursor, lease)
    if not adopted.segments:
        print(
            "nothing to adopt: the ledger has all segments of the journal, "
            f"up to number {adopted.last_seq:,}"
        )
        return 0
    first = min(one.first_seq for one in adopted.segments)
    events = count(sum(one.num_events for one in adopted.segments), "event")
    what = f"{count(len(adopted.segments), 'segment')} from number {first:,}, {events}"
    print(f"adopted {what}; the journal's last number is {adopted.last_seq:,}")
    return 0
