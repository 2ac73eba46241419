"""Withdrawals of single facts: each is a record in the event log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cron.ports import ItemRecords
from gateway.errors import UnknownFact
from gateway.intake.item_changes import StillFilling
from gateway.intake.record_intake import RecordIntake
from recommender.records.facts import Fact, FactKey, key_of

FACTS_AT_ONCE = 10_000  # of one head and relation
_SOONEST = timedelta(microseconds=1)


class FactChanges:
    """Withdraws facts. Threads may share it."""

    def __init__(
        self,
        item_records: ItemRecords,
        intake: RecordIntake,
        *,
        new_id: Callable[[], str],
        is_filling: Callable[[], bool],
    ) -> None:
        self._item_records = item_records
        self._intake = intake
        self._new_id = new_id
        self._is_filling = is_filling
        self._one_at_a_time = threading.Lock()

    def withdraw(self, key: FactKey) -> Fact:
        """Withdraw a fact and return the record that says so; raise UnknownFact or Unavailable."""
        with self._one_at_a_time:
            if self._is_filling():
                raise StillFilling()
            self._intake.catch_up()
            known = self._find(key)
            head, relation, tail = key
            record = Fact(
                event_id=self._new_id(),
                head=head,
                relation=relation,
                tail=tail,
                # after a record whose sender's clock is ahead
                at=max(datetime.now(UTC), known.at + _SOONEST),
                withdrawn=True,
            )
            self._intake.add(record)
        return record

    def _find(self, key: FactKey) -> Fact:
        head, relation, _ = key
        found = self._item_records.facts([head], relation=relation, limit=FACTS_AT_ONCE)
        for fact in found.get(head, ()):
            if key_of(fact) == key:
                return fact
        raise UnknownFact(key)
