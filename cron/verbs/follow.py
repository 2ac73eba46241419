"""`follow`: copy the log into the histories where no worker does it, or rebuild them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from cron.errors import LogGap
from cron.ledger import journal_rows
from cron.settings.file import Loaded
from cron.verbs.table import count

if TYPE_CHECKING:
    from cron.services import Services

SUMMARY = "copy new events into the histories until SIGTERM; the worker also does this"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--once", action="store_true", help="stop when there is nothing more to copy"
    )
    parser.add_argument(
        "--new-log",
        action="store_true",
        help="accept that the log was recreated or has lost records: continue with what it has",
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="first rebuild the histories from the journal and the log",
    )


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Follow the log until told to stop."""
    from cron.journal.copy_retries import CopyRetries
    from cron.journal.follow import batch_limit, follow_once, must_rebuild, rebuild
    from cron.journal.follow_items import ItemFollower
    from cron.verbs.repeat import repeat
    from cron.wiring import open_services

    services = open_services(loaded.settings)
    if arguments.new_log:
        _accept_new_log(services)
    items = ItemFollower(
        item_records=services.item_records,
        counts=loaded.settings.train.signals.counts_for_popularity,
        now=services.ledger.now,
    )
    if arguments.rebuild or arguments.new_log:
        rebuild(services.journal, services.log, services.histories)
        items.rebuild(services.journal, services.log)
    retries = CopyRetries()

    def attempt(what: str, copy: Callable[[], None]) -> None:
        if arguments.once:
            copy()
        else:
            retries.attempt(what, copy)

    limit = batch_limit(loaded.settings.gateway.processes)
    copy_some = partial(follow_once, services.log, services.histories, limit=limit, items=items)

    def turn() -> int:
        num_copied = 0
        try:
            is_lost = must_rebuild(services.journal, services.histories)
            if not is_lost:
                num_copied = copy_some()
        except LogGap:
            is_lost = True  # trimmed past our cursor; the journal has those records
        if is_lost:
            attempt(
                "histories", lambda: rebuild(services.journal, services.log, services.histories)
            )
        if not num_copied:
            attempt("items", lambda: items.keep_up(services.journal, services.log))
        return num_copied

    total = repeat(turn, once=arguments.once, poll_s=loaded.settings.worker.poll_s)
    print(f"{count(total, 'record')} followed")
    return 0


def _accept_new_log(services: Services) -> None:
    """Collect what the log has from now on, although it has lost records."""
    from cron.worker.lease import held_lease, holder_of, only_one

    holder, lease_s = holder_of(services.paths.var), services.settings.worker.lease_s
    with only_one(services.paths.lock), held_lease(services.ledger, holder, lease_s) as lease:
        # What the log has lost may be in newer segments, which `adopt` adds.
        services.journal.refuse_newer(is_log_trimmed=True)
        cursor = services.log.give_up(journal_rows.log_cursor(services.ledger))
        journal_rows.commit_segment(services.ledger, None, cursor, lease)
