"""How much of what waits in the log is worth a turn."""

from __future__ import annotations

from datetime import timedelta

from cron.ledger import event_rows, slate_rows
from cron.ledger.ledger import Ledger

_HOURS = 24


def num_waiting_records(ledger: Ledger, backlog: int) -> int:
    """Estimate how many of the entries that wait in the log are not slates.

    A log counts its entries without reading them. Slates have nothing to learn from, and a shop
    serves more lists than it has events. Their share is that of the last day.
    """
    now = ledger.now()
    since = now - timedelta(hours=_HOURS)
    num_slates = slate_rows.counts_since(ledger, since).num_slates
    if num_slates == 0 or backlog == 0:
        return backlog
    hours = event_rows.newest_hours(ledger, num_hours=_HOURS, now=now)
    num_events = sum(sum(hour.num_events.values()) for hour in hours)
    return round(backlog * num_events / (num_events + num_slates))
