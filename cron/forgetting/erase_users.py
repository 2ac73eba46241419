"""Erase forgotten users from all that is stored, in each turn: journal, experiments, runs.

It also synchronises the marks in ledger and histories, because either may have been recreated or
restored from a backup.
"""

from __future__ import annotations

import logging
import shutil

from cron.errors import FreshetError, LeaseLost
from cron.forgetting.request import user_of
from cron.journal.dead_letters import DeadLetter, DeadLetters
from cron.ledger import forgotten, run_rows
from cron.lineage import Lease
from cron.services import Services
from cron.visitor_days.measure import forget_visitors

log = logging.getLogger(__name__)


def erase_forgotten(services: Services, lease: Lease) -> None:
    """Erase what remains of forgotten users; what fails is tried again in the next turn.

    A run that a crash left open keeps its files until it ends, and its users stay marked until
    then. Raise LeaseLost.
    """
    ledger = services.ledger
    try:
        _synchronise_marks(services)
        marks = forgotten.pending(ledger)
        if not marks:
            return
        num_erased = services.journal.erase(marks, lease)
        forget_visitors(ledger, [mark.user_key for mark in marks], lease=lease)
        open_run = run_rows.open_run(ledger)
        _delete_run_folders(
            services, except_for=str(open_run.run_id) if open_run is not None else ""
        )
        keys, pending = forgotten.keys_of(ledger), {mark.user_key for mark in marks}

        def is_theirs(letter: DeadLetter) -> bool:
            user_id = user_of(letter)
            return user_id is not None and keys.of_user(user_id) in pending

        DeadLetters(services.paths.var / "dead-letters.jsonl").drop(is_theirs)
        forgotten.note_erased(ledger, marks, num_erased, done=open_run is None, lease=lease)
        log.info(
            "forgotten users erased",
            extra={
                "num_users": len(marks),
                "num_events": num_erased.total(),
                "done": open_run is None,
            },
        )
    except LeaseLost:
        raise
    except (FreshetError, OSError) as error:
        log.warning("forgotten users not erased", extra={"why": str(error)})


def _synchronise_marks(services: Services) -> None:
    """Give ledger and histories the same marks."""
    theirs, ours = services.histories.forgotten(), services.journal.forgotten()
    if forgotten.adopt(
        services.ledger,
        {key: up_to for key, up_to in theirs.items() if key not in ours or ours[key] < up_to},
    ):
        log.warning("added users to the ledger who were forgotten in the histories only")
    missing = {
        key: up_to for key, up_to in ours.items() if key not in theirs or theirs[key] < up_to
    }
    if missing:
        services.histories.keep_out(missing)


def _delete_run_folders(services: Services, *, except_for: str) -> None:
    """Delete snapshots and candidates, which hold events of many users; raise OSError."""
    for folder in services.paths.runs.iterdir() if services.paths.runs.is_dir() else ():
        if folder.is_dir() and folder.name != except_for:
            shutil.rmtree(folder)
