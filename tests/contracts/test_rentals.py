"""Rented machines in the ledger, on each database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cron.ledger import rental_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from tests.contracts.ledgers import EMBEDDED, ON_SERVERS

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures


def test_machines_are_known_until_they_are_stopped(ledger: Ledger, lease: Lease) -> None:
    first = rental_rows.start(
        ledger, 7, machines="command:/m?machines=2", num_asked=2, price=3.0, lease=lease
    )
    second = rental_rows.start(ledger, 8, machines="m", num_asked=1, price=0.0, lease=lease)
    assert rental_rows.running(ledger) == (first, second)
    assert first.joined_at is None
    rental_rows.record_joined(ledger, first.rental_id, 1, is_enough=False, lease=lease)
    (found,) = rental_rows.of_run(ledger, 7)
    assert (found.num_joined, found.joined_at) == (1, None)
    rental_rows.record_joined(ledger, first.rental_id, 2, is_enough=True, lease=lease)
    rental_rows.end(ledger, first.rental_id, lease=lease)
    assert rental_rows.running(ledger) == (second,)
    (ended,) = rental_rows.of_run(ledger, 7)
    assert ended.joined_at is not None
    assert ended.stopped_at is not None
    later = ended.stopped_at + timedelta(days=1)
    seconds = (ended.stopped_at - ended.started_at).total_seconds()
    assert ended.cost(later) == pytest.approx(2 * 3.0 * seconds / 3600)
    assert first.cost(first.started_at + timedelta(hours=2)) == 12.0
