"""A worker at work in this process, and waiting for what it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cron.ledger import lease_row
from cron.services import Services
from cron.worker.worker import Worker

LIMIT_S = 180.0


def until(condition: Callable[[], object], *, limit_s: float = LIMIT_S) -> None:
    ends_at = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < ends_at, "waited in vain"
        threading.Event().wait(0.02)


def has_file(folder: Path, pattern: str) -> bool:
    """Return whether a file matches; a folder may be deleted or renamed meanwhile."""
    try:
        return any(folder.glob(pattern))
    except FileNotFoundError:
        return False


@contextmanager
def working(services: Services, *, first_retry_s: float = 5.0) -> Iterator[Worker]:
    worker = Worker(services, first_retry_s=first_retry_s)
    worker.start()
    try:
        yield worker
    finally:
        assert worker.end(LIMIT_S)


def free(services: Services) -> None:
    """Release the lease that the test's own set-up took."""
    lease = lease_row.acquire(services.ledger, "test", 60, services.ledger.now())
    assert lease is not None
    lease_row.release(services.ledger, lease)
