"""Which entries of the log bring a turn forward."""

from __future__ import annotations

from cron.metrics.waiting import num_waiting_records
from tests.component.house import House
from tests.contracts.records import event, slate


def test_lists_that_were_served_start_no_training(house: House) -> None:
    """A shop that serves three lists per event would train on a quarter of the events it wants."""
    assert num_waiting_records(house.ledger, 1000) == 1000
    house.log.append([event(1), slate(1), slate(2), slate(3)])
    house.collect()
    assert num_waiting_records(house.ledger, 1000) == 250
    assert num_waiting_records(house.ledger, 0) == 0
