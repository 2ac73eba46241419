"""The placements that a gateway has read, while it reads them again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from cron.ledger.ledger import Ledger, open_ledger
from cron.placement import Placement
from gateway.placements.named import NamedPlacements

WAIT_S = 120.0


class SlowLedger(Ledger):
    """A ledger whose answer to one reader is late."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self.slow_reader: threading.Thread | None = None
        self.has_read = threading.Event()
        self.may_answer = threading.Event()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with super().read() as connection:
            yield connection
        if threading.current_thread() is self.slow_reader:
            self.has_read.set()
            assert self.may_answer.wait(WAIT_S)


def test_a_late_answer_brings_no_old_placement_back(tmp_path: Path) -> None:
    ledger = SlowLedger(open_ledger(f"sqlite:///{tmp_path}/ledger.db").engine)
    placements = NamedPlacements({}, ledger)
    placements.change("home", Placement(k=5), by="ann")
    ledger.slow_reader = threading.Thread(target=placements.refresh)
    ledger.slow_reader.start()
    assert ledger.has_read.wait(WAIT_S)
    placements.change("home", Placement(k=7), by="ann")
    ledger.may_answer.set()
    ledger.slow_reader.join()
    assert placements.find("home").k == 7
    ledger.close()
