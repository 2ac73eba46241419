"""The live release as the ledger names it, read at most twice a second: the version to ask for, the fallback list, the figures.

Keeps serving the last one that it saw while the ledger does not answer, and never goes back to an
earlier decision than it has seen: what a late answer or a replica that lags behind says is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from cron.errors import FreshetError
from cron.lineage import Release, Serving

# less than a version stays loaded after it was superseded: its requests are waited for, and then
# one second more
MAX_AGE_S = 0.5
_PATIENCE_S = 0.25  # with a ledger that hangs, before the last known release is taken
log = logging.getLogger(__name__)


class LiveRelease:
    """Thread-safe. `get` blocks, so call it off the event loop; `version` is for the event loop."""

    def __init__(self, serving: Callable[[], Serving], release: Callable[[int], Release]) -> None:
        self._serving = serving
        self._release_of = release
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._release: Release | None = None
        self._seen = (-1, False)  # epoch of the newest decision, and whether it was carried out
        self._reading: asyncio.Task[None] | None = None
        self._hangs = False

    def get(self) -> Release | None:
        """Return the live release, at most MAX_AGE_S old; None before the first."""
        if self._is_old():
            self._read(self._read_at)
        return self._release

    async def version(self, *, anew: bool = False) -> int | None:
        """Return the live version, at most MAX_AGE_S old, or read just now; None before the first."""
        if anew or self._is_old():
            if self._reading is None or self._reading.done():
                self._reading, self._hangs = (
                    asyncio.create_task(run_in_threadpool(self._read, self._read_at)),
                    False,
                )
            if not self._hangs:
                await asyncio.wait({self._reading}, timeout=_PATIENCE_S)
                self._hangs = not self._reading.done()
        return self._release.version if self._release is not None else None

    def _is_old(self) -> bool:
        return time.monotonic() - self._read_at > MAX_AGE_S

    def _read(self, found_at: float) -> None:
        """Read the ledger, unless another thread did since `found_at`; with a ledger that hangs, one thread alone waits for it."""
        if not self._lock.acquire(timeout=_PATIENCE_S):
            return
        try:
            if self._read_at == found_at:
                self._look()
                self._read_at = time.monotonic()
        except FreshetError as error:
            log.warning(
                "ledger not readable, the last known release stands", extra={"why": str(error)}
            )
            self._read_at = time.monotonic()
        finally:
            self._lock.release()

    def _look(self) -> None:
        serving = self._serving()
        found = (serving.epoch, serving.switch is None)
        if found < self._seen:
            log.warning(
                "the ledger went back, the last known release stands",
                extra={"found": serving.epoch, "seen": self._seen[0]},
            )
            return
        if self._release is None or self._release.version != serving.live:
            self._release = self._release_of(serving.live) if serving.live is not None else None
        self._seen = found
