"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.ledger import lease_row
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Lease
from tests.contracts.ledgers import NOW


@pytest.fixture
def url(back_end: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the URL of a new, empty instance of one of the module's back ends."""
    module = request.module
    made: str
    if back_end in module.EMBEDDED:
        made = module.EMBEDDED[back_end](tmp_path)
    else:
        made = module.ON_SERVERS[back_end](request.getfixturevalue("servers"))
    return made


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    ledger = open_ledger(url)
    yield ledger
    ledger.close()


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    lease = lease_row.acquire(ledger, "one", 30, NOW)
    assert lease is not None
    return lease
