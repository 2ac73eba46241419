"""`adopt`: bring segments of the journal into a ledger that does not know them, after an older one was put back."""

from __future__ import annotations

import argparse

from cron.ledger import journal_rows
from cron.settings.file import Loaded

SUMMARY = "take over newer segments of the journal after an older ledger was put back"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    del parser


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Adopt; print which numbers were taken over."""
    del arguments
    from cron.wiring import open_services
    from cron.worker.lease import working_alone

    services = open_services(loaded.settings)
    # Every segment is fetched and verified, which takes longer than a lease lasts where there are
    # many.
    with working_alone(services) as lease:
        # The log has nothing of what the newer ledger had collected; what is left may come again,
        # and counts once.
        cursor = services.log.give_up(journal_rows.log_cursor(services.ledger))
        adopted = services.journal.adopt(cursor, lease)
    if not adopted.segments:
        print(
            f"nothing to adopt: the ledger knows the journal up to its last number, {adopted.last_seq:,}"
        )
        return 0
    first = min(one.first_seq for one in adopted.segments)
    num_events = sum(one.num_events for one in adopted.segments)
    taken = f"{len(adopted.segments):,} segments from number {first:,}, {num_events:,} events"
    print(f"adopted {taken}; the journal's last is {adopted.last_seq:,}")
    return 0
