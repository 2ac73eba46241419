"""`follow`: bring the log into the histories, where the worker doesn't, or make the histories anew."""

from __future__ import annotations

import argparse
from contextlib import suppress

from cron.errors import LogGap
from cron.ledger import journal_rows
from cron.settings.file import Loaded

SUMMARY = "bring new events into the histories until SIGTERM; the worker does so by itself"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--once", action="store_true", help="stop when nothing is left to bring")
    parser.add_argument(
        "--new-log",
        action="store_true",
        help="the log was made anew, or its loss is accepted: go on with what is left",
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="first make the histories anew, from the journal and the log",
    )


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Follow."""
    from cron.journal.follow import follow_once, must_rebuild, rebuild
    from cron.verbs.repeat import repeat
    from cron.wiring import open_services
    from cron.worker.lease import held_lease, holder_of, only_one

    services = open_services(loaded.settings)
    if arguments.new_log:
        lease_s = loaded.settings.worker.lease_s
        with (
            only_one(services.paths.lock),
            held_lease(services.ledger, holder_of(services.paths.var), lease_s) as lease,
        ):
            services.journal.refuse_newer(
                is_log_trimmed=True
            )  # what the log has lost may lie in the store
            journal_rows.commit_segment(
                services.ledger,
                None,
                services.log.give_up(journal_rows.log_cursor(services.ledger)),
                lease,
            )
    if arguments.rebuild or arguments.new_log:
        rebuild(services.journal, services.log, services.histories)

    def turn() -> int:
        with suppress(
            LogGap
        ):  # the log was trimmed past our place, and the journal has what is gone
            if not must_rebuild(services.journal, services.histories):
                return follow_once(services.log, services.histories)
        rebuild(services.journal, services.log, services.histories)
        return follow_once(services.log, services.histories)

    total = repeat(turn, once=arguments.once, poll_s=loaded.settings.worker.poll_s)
    print(f"{total:,} records followed")
    return 0
