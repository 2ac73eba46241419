"""A ledger that a test makes refuse writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from cron.errors import Unavailable
from cron.ledger.ledger import Ledger
from cron.lineage import Lease


class SwitchableLedger(Ledger):
    """A ledger that refuses writes after `writes_left` more; None: it refuses none.

    `refusals` counts the refused ones.
    """

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self.writes_left: int | None = None
        self.refusals = threading.Semaphore(0)

    @contextmanager
    def write(self, lease: Lease | None = None) -> Iterator[sa.Connection]:
        if self.writes_left == 0:
            self.refusals.release()
            raise Unavailable("the ledger", where="here", why="switched off by the test")
        if self.writes_left is not None:
            self.writes_left -= 1
        with super().write(lease) as connection:
            yield connection
