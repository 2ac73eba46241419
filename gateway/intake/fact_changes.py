"""Withdrawals of single facts: each is a record in the event log."""

from __future__ import annotations

from cron.ports import ItemRecords
from gateway.errors import UnknownFact
from gateway.intake.record_changes import RecordChanges, moment_after
from recommender.records.facts import Fact, FactKey, key_of

FACTS_AT_ONCE = 10_000  # of one head and relation


class FactChanges:
    """Withdraws facts. Threads may share it."""

    def __init__(self, item_records: ItemRecords, changes: RecordChanges) -> None:
        self._item_records = item_records
        self._changes = changes

    def withdraw(self, key: FactKey) -> Fact:
        """Withdraw a fact and return the record that says so; raise UnknownFact or Unavailable."""
        with self._changes.turn():
            known = self._find(key)
            head, relation, tail = key
            record = Fact(
                event_id=self._changes.new_id(),
                head=head,
                relation=relation,
                tail=tail,
                at=moment_after(known.at),
                withdrawn=True,
            )
            self._changes.add(record)
        return record

    def _find(self, key: FactKey) -> Fact:
        head, relation, _ = key
        found = self._item_records.facts([head], relation=relation, limit=FACTS_AT_ONCE)
        for fact in found.get(head, ()):
            if key_of(fact) == key:
                return fact
        raise UnknownFact(key)
