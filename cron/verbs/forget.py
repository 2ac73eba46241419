"""`forget`: delete what users did, and say what was removed and what the weights still hold.

Erases at once where no worker runs; otherwise the worker does in its next turn.
"""

from __future__ import annotations

import argparse
import getpass
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cron.errors import AlreadyRunning, LeaseLost
from cron.settings.file import Loaded
from cron.verbs.table import clock, show_json

if TYPE_CHECKING:  # pyarrow, which the other verbs do without
    from cron.forgetting.what_is_held import Held
    from cron.services import Services

SUMMARY = "forget users: what they did is erased, and the next full retrain is without it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one user's data. `up_to` is None when nothing was done (a dry run)."""

    user_id: str
    held: Held
    up_to: datetime | None
    num_letters: int
    is_erased: bool
    full_retrain_due: datetime | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("users", nargs="+", metavar="USER", help="an id, exactly as events have it")
    parser.add_argument(
        "--by",
        metavar="TEXT",
        help="who asked for it, kept in the ledger (default: your account's name)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what there is, and delete nothing"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Forget, erase where that can be done now, and report."""
    from cron.forgetting.request import check_user_id, forget
    from cron.forgetting.what_is_held import full_retrain_due, held
    from cron.journal.dead_letters import DeadLetters
    from cron.wiring import open_services

    users = list(dict.fromkeys(arguments.users))
    for user_id in users:  # before anybody is forgotten
        check_user_id(user_id)
    services = open_services(loaded.settings)
    found = held(services, users)
    done = {}
    if not arguments.dry_run:
        letters = DeadLetters(services.paths.var / "dead-letters.jsonl")
        asked_by = arguments.by or f"{getpass.getuser()} on the command line"
        done = {
            user_id: forget(
                services.ledger, services.histories, letters, user_id, asked_by=asked_by
            )
            for user_id in users
        }
    is_erased = bool(done) and _erase_now(services)
    due = full_retrain_due(services.ledger, loaded.settings.worker.full_every_s)
    reports = [
        Report(
            user_id=user_id,
            held=found[user_id],
            up_to=done[user_id].up_to if user_id in done else None,
            num_letters=done[user_id].num_letters if user_id in done else 0,
            is_erased=is_erased,
            full_retrain_due=due,
        )
        for user_id in users
    ]
    if arguments.json:
        show_json([_as_json(report) for report in reports])
    else:
        print("\n".join(line for report in reports for line in _lines(report)))
    return 0


def _erase_now(services: Services) -> bool:
    """Erase as the worker would, unless one runs; tell whether nothing is left to erase."""
    from cron.forgetting.erase_users import erase_forgotten
    from cron.ledger import forgotten
    from cron.worker.lease import working_alone

    try:
        with working_alone(services) as lease:
            erase_forgotten(services, lease)
    except (AlreadyRunning, LeaseLost):
        return False
    return not forgotten.pending(services.ledger)


def _lines(report: Report) -> list[str]:
    """Say a report in lines."""
    held, done = report.held, report.up_to is not None
    events = f"{held.num_events:,} events"
    if not done:
        journal, head = events, f"{report.user_id}: nothing was deleted (a dry run)"
    else:
        journal = (
            f"{events} erased"
            if report.is_erased
            else f"{events}, erased by the worker in its next turn"
        )
        head = (
            f"{report.user_id}: forgotten, with all that happened until {clock(report.up_to)} UTC"
        )
    lines = [head, f"  journal       {journal}"]
    if done:
        lines += [
            "  histories     deleted",
            f"  dead letters  {report.num_letters:,} deleted on this machine",
        ]
    return [*lines, f"  weights       {_weights(report)}", *_archives(report)]


def _weights(report: Report) -> str:
    held = report.held
    if held.live is None:
        return "nothing is live"
    due = (
        f"by {clock(report.full_retrain_due)} UTC"
        if report.full_retrain_due is not None
        else "the next run"
    )
    until = f"until the next full retrain ({due}; now: python -m cron run-once --full)"
    if held.num_trained:
        return f"release {held.live}, which is live, was trained on {held.num_trained:,} of them at most, {until}"
    if held.may_hold_erased:
        return f"release {held.live}, which is live, may have been trained on what was forgotten before, {until}"
    return f"release {held.live}, which is live, was not trained on any of them"


def _archives(report: Report) -> list[str]:
    if not report.held.releases:
        return []
    versions = ", ".join(map(str, report.held.releases))
    return [
        f"  archives      such weights are kept in releases {versions}, until release.keep_releases lets them go"
    ]


def _as_json(report: Report) -> dict[str, object]:
    held = report.held
    return {
        "user_id": report.user_id,
        "up_to": report.up_to.isoformat() if report.up_to is not None else None,
        "journal_events": held.num_events,
        "erased": report.is_erased,
        "dead_letters": report.num_letters,
        "live_version": held.live,
        "events_trained_on": held.num_trained,
        "may_hold_erased": held.may_hold_erased,
        "full_retrain_due": report.full_retrain_due.isoformat()
        if report.full_retrain_due is not None
        else None,
        "releases": list(held.releases),
    }
