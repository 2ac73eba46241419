"""A person's request for a full retrain, which the running worker carries out."""

from __future__ import annotations

from cron.ledger import metric_rows
from cron.ledger.ledger import Ledger

FULL_REQUESTED = "full_requested"


def request_full(ledger: Ledger) -> None:
    """Have the next turn retrain from scratch."""
    metric_rows.set_gauge(ledger, FULL_REQUESTED, 1.0)


def is_requested(ledger: Ledger) -> bool:
    """Return whether a full retrain was asked for and has not begun."""
    return metric_rows.stored_metrics(ledger).get(FULL_REQUESTED, 0.0) > 0


def has_begun(ledger: Ledger) -> None:
    """Forget the request, if there is one: its run has begun, and is continued after a crash."""
    if is_requested(ledger):
        metric_rows.set_gauge(ledger, FULL_REQUESTED, 0.0)
