"""The ledger's record of decisions, on each database."""

from __future__ import annotations

from cron.ledger import decision_rows
from cron.ledger.ledger import Ledger
from tests.contracts.ledgers import EMBEDDED, ON_SERVERS

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures


def test_the_newest_decisions_come_first(ledger: Ledger) -> None:
    decision_rows.add(ledger, "rollback", version=2, by="ann", why="odd titles 日本")
    decision_rows.add(ledger, "resume", by="the key 'ops'", why=None)
    newest = decision_rows.newest(ledger, 9)
    assert [(one.action, one.version, one.by, one.why) for one in newest] == [
        ("resume", None, "the key 'ops'", None),
        ("rollback", 2, "ann", "odd titles 日本"),
    ]
    assert len(decision_rows.newest(ledger, 1)) == 1


def test_the_oldest_are_removed(ledger: Ledger) -> None:
    for number in range(5):
        decision_rows.add(ledger, "pause", by=str(number), why=None, keep=3)
    assert [one.by for one in decision_rows.newest(ledger, 9)] == ["4", "3", "2"]
