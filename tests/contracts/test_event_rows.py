"""Counts of events on each database: added with their segment, by hour and by release."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from cron.errors import LeaseLost
from cron.ledger import event_rows, journal_rows, lease_row
from cron.ledger.event_rows import HOURS_KEPT, EventTally, hour_of
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.ports import Cursor
from tests.contracts.ledgers import EMBEDDED, NOW, ON_SERVERS
from tests.releases import publish_releases

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures


def of_hour(
    hour: int, events: Mapping[str, int], of_releases: Mapping[tuple[int, str], int] | None = None
) -> EventTally:
    """Return a tally in which every event names a list."""
    return EventTally(hour=hour, num_events=events, num_named=events, of_releases=of_releases or {})


def collect(ledger: Ledger, lease: Lease, tally: EventTally) -> None:
    """Commit a batch with its counts."""
    journal_rows.commit_segment(ledger, None, Cursor("x"), lease, tally=tally)


def test_counts_of_an_hour_add_up_and_old_hours_go(ledger: Ledger, lease: Lease) -> None:
    hour = hour_of(NOW)
    collect(ledger, lease, of_hour(hour - HOURS_KEPT, {"view": 9}))
    collect(ledger, lease, of_hour(hour - 1, {"view": 1}))
    collect(ledger, lease, of_hour(hour, {"view": 2, "click": 1}))
    collect(ledger, lease, of_hour(hour, {"view": 3}))
    newest = event_rows.newest_hours(ledger, num_hours=48, now=NOW)
    assert [dict(one.num_events) for one in newest] == [{"view": 1}, {"click": 1, "view": 5}]
    assert newest[0].at <= NOW - timedelta(hours=1) < newest[1].at
    assert event_rows.newest_hours(ledger, num_hours=1, now=NOW) == newest[1:]
    assert len(event_rows.newest_hours(ledger, num_hours=10_000, now=NOW)) == 2


def test_only_releases_that_were_live_are_counted(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    hour = hour_of(NOW)
    collect(ledger, lease, of_hour(hour, {"click": 3}, {(1, "click"): 2, (99, "click"): 1}))
    collect(ledger, lease, of_hour(hour, {"click": 1}, {(1, "click"): 1, (2, "purchase"): 1}))
    assert event_rows.of_releases(ledger, [1, 2, 99]) == {1: {"click": 3}, 2: {"purchase": 1}}


def test_a_lost_lease_counts_nothing(ledger: Ledger, lease: Lease) -> None:
    lease_row.release(ledger, lease)
    assert lease_row.acquire(ledger, "another", 60, NOW) is not None
    with pytest.raises(LeaseLost):
        collect(ledger, lease, of_hour(hour_of(NOW), {"view": 1}))
    assert event_rows.newest_hours(ledger, num_hours=48, now=NOW) == ()
