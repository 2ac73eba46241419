"""The live release as the ledger names it, read at most once a second: for the fallback list and the figures.

Keeps serving the last one that it saw while the ledger does not answer.
"""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from cron.errors import FreshetError
from cron.ledger import Ledger
from cron.lineage import Release

MAX_AGE_S = 1.0
log = logging.getLogger(__name__)


class LiveRelease:
    """Thread-safe; the read blocks, so call it off the event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._release: Release | None = None

    def get(self) -> Release | None:
        """Return the live release, at most a second old; None before the first."""
        with self._lock:
            if time.monotonic() - self._read_at > MAX_AGE_S:
                try:
                    self._release = self._ledger.live()
                except (FreshetError, SQLAlchemyError) as error:
                    log.warning("ledger not readable, the last known release stands", extra={"why": str(error)})
                self._read_at = time.monotonic()
            return self._release
