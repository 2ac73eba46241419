"""The live release as the ledger names it, read at most twice a second.

While the ledger does not answer, the last known release stays. A late answer, or one of a replica
that lags behind, is dropped: the release never goes back to an earlier decision.
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

# A superseded version stays loaded until its requests have ended and one second more; this is less.
MAX_AGE_S = 0.5
_PATIENCE_S = 0.25  # with a ledger that hangs, before the last known release is used
_FIRST_PATIENCE_S = 1.0  # before anything is known, so that nothing can be used instead
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
            patience_s = _PATIENCE_S if self._has_read() else _FIRST_PATIENCE_S
            self._refresh(self._read_at, patience_s)
        return self._release

    async def version(
        self, *, refresh: bool = False, wait_s: float = _FIRST_PATIENCE_S
    ) -> int | None:
        """Return the live version, at most MAX_AGE_S old; None before the first release.

        With `refresh` the ledger is read now. Then, and before anything is known, a call waits
        `wait_s` for a slow ledger: the known version can't be used.
        """
        if refresh or self._is_old():
            patience_s = _PATIENCE_S if self._has_read() and not refresh else wait_s
            if self._reading is None or self._reading.done():
                reading = run_in_threadpool(self._refresh, self._read_at, patience_s)
                self._reading = asyncio.create_task(reading)
                self._hangs = False
            if not self._hangs:
                await asyncio.wait({self._reading}, timeout=patience_s)
                self._hangs = not self._reading.done()
        return self._release.version if self._release is not None else None

    def _is_old(self) -> bool:
        return time.monotonic() - self._read_at > MAX_AGE_S

    def _has_read(self) -> bool:
        return self._read_at > float("-inf")

    def _refresh(self, found_at: float, patience_s: float) -> None:
        """Read the ledger, unless another thread has read it since `found_at`.

        Only one thread waits for a ledger that hangs.
        """
        if not self._lock.acquire(timeout=patience_s):
            return
        try:
            if self._read_at == found_at:
                self._update()
                self._read_at = time.monotonic()
        except FreshetError as error:
            log.warning("ledger not readable, keeping the last release", extra={"why": str(error)})
            self._read_at = time.monotonic()
        finally:
            self._lock.release()

    def _update(self) -> None:
        serving = self._serving()
        found = (serving.epoch, serving.switch is None)
        if found < self._seen:
            log.warning(
                "ledger is behind, keeping the last release",
                extra={"found": serving.epoch, "seen": self._seen[0]},
            )
            return
        if self._release is None or self._release.version != serving.live:
            self._release = self._release_of(serving.live) if serving.live is not None else None
        self._seen = found
