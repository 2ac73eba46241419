"""`forget`: delete what users did; report what was deleted and what the weights still have.

The journal is erased at once if no worker runs, otherwise by the worker in its next turn.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cron.errors import AlreadyRunning, LeaseLost
from cron.settings.file import Loaded
from cron.verbs.person import person_name
from cron.verbs.table import clock, count, show_json

if TYPE_CHECKING:  # imports pyarrow
    from cron.forgetting.what_is_held import HeldData
    from cron.services import Services

SUMMARY = "forget users: erase what they did; the next full retrain is without it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """What became of one user's data; `up_to` is None after a dry run."""

    user_id: str
    held: HeldData
    up_to: datetime | None
    num_letters: int
    is_erased: bool
    full_retrain_due: datetime | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "users", nargs="+", metavar="USER", help="a user's id, exactly as in the events"
    )
    parser.add_argument(
        "--by",
        metavar="TEXT",
        help="who asked for it; stored in the ledger (default: the name of your account)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="report what there is and delete nothing"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Forget the users, erase their data if no worker runs, and report."""
    from cron.forgetting.request import check_user_id, forget
    from cron.forgetting.what_is_held import full_retrain_due, held_data
    from cron.journal.dead_letters import DeadLetters
    from cron.wiring import open_services

    users = list(dict.fromkeys(arguments.users))
    for user_id in users:  # before anybody is forgotten
        check_user_id(user_id)
    services = open_services(loaded.settings)
    found = held_data(services, users)
    done = {}
    if not arguments.dry_run:
        letters = DeadLetters(services.paths.var / "dead-letters.jsonl")
        asked_by = arguments.by or person_name()
        done = {
            user_id: forget(
                services.ledger, services.histories, letters, user_id, asked_by=asked_by
            )
            for user_id in users
        }
    is_erased = bool(done) and _erase_now(services)
    due = full_retrain_due(services.ledger, loaded.settings.worker.full_every_s)
    reports = [
        ForgetReport(
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
    """Erase as the worker does, unless one runs; return whether nothing is left to erase."""
    from cron.forgetting.erase_users import erase_forgotten
    from cron.ledger import forgotten
    from cron.worker.lease import working_alone

    try:
        with working_alone(services) as lease:
            erase_forgotten(services, lease)
    except (AlreadyRunning, LeaseLost):
        return False
    return not forgotten.pending(services.ledger)


def _lines(report: ForgetReport) -> list[str]:
    """Return a report as lines of text."""
    held, done = report.held, report.up_to is not None
    events = count(held.num_events, "event")
    if not done:
        journal, head = events, f"{report.user_id}: nothing was deleted (dry run)"
    else:
        journal = (
            f"{events} erased"
            if report.is_erased
            else f"{events}, to be erased by the worker in its next turn"
        )
        head = f"{report.user_id}: forgotten, with all events until {clock(report.up_to)} UTC"
    lines = [head, f"  journal       {journal}"]
    if done:
        lines += [
            "  histories     deleted",
            f"  dead letters  {report.num_letters:,} deleted on this machine",
        ]
    return [*lines, f"  weights       {_weights(report)}", *_archives(report)]


def _weights(report: ForgetReport) -> str:
    held = report.held
    if held.live is None:
        return "nothing is live"
    due = (
        f"by {clock(report.full_retrain_due)} UTC"
        if report.full_retrain_due is not None
        else "the next run"
    )
    live = f"release {held.live}, which is live,"
    until = f"until the next full retrain ({due}; now: python -m cron run-once --full)"
    if held.num_trained:
        return f"{live} was trained on at most {held.num_trained:,} of them, {until}"
    if held.may_hold_erased:
        return f"{live} may have been trained on events that were forgotten before, {until}"
    return f"{live} was not trained on any of them"


def _archives(report: ForgetReport) -> list[str]:
    if not report.held.releases:
        return []
    versions = ", ".join(map(str, report.held.releases))
    return [
        f"  archives      such weights are in the archives of {versions}, "
        "until release.keep_releases lets them be deleted"
    ]


def _as_json(report: ForgetReport) -> dict[str, object]:
    held, due = report.held, report.full_retrain_due
    return {
        "user_id": report.user_id,
        "up_to": report.up_to.isoformat() if report.up_to is not None else None,
        "journal_events": held.num_events,
        "erased": report.is_erased,
        "dead_letters": report.num_letters,
        "live_version": held.live,
        "events_trained_on": held.num_trained,
        "may_hold_erased": held.may_hold_erased,
        "full_retrain_due": due.isoformat() if due is not None else None,
        "releases": list(held.releases),
    }
