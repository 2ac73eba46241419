"""Copies from the journal that fail until a person repairs it: reported once, tried again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from cron.errors import LogGap, StoreError

RETRY_S = 60.0  # finding that the journal has a gap takes a read of all of it

log = logging.getLogger(__name__)


class CopyRetries:
    """What failed last, and until when a copy of a journal with a gap is left alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reported: dict[str, str] = {}
        self._retry_at: dict[str, float] = {}

    def attempt(self, what: str, copy: Callable[[], None]) -> None:
        """Copy what the log no longer has, unless that has failed in the last minute.

        When the log is not the journal's, or the journal has a gap, log it once: a person must act.
        """
        if self._clock() < self._retry_at.get(what, 0.0):
            return
        try:
            copy()
            self._reported[what] = ""
        except (LogGap, StoreError) as error:
            if self._reported.get(what) != str(error):
                log.error(f"{what} not followed", extra={"why": str(error)})
            self._reported[what] = str(error)
            if isinstance(error, StoreError):
                self._retry_at[what] = self._clock() + RETRY_S
