"""Follow the ledger: read what it has again and again, and keep the last known meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

EVERY_S = 0.5
log = logging.getLogger(__name__)


async def follow(refresh: Callable[[], None], *, what: str, every_s: float = EVERY_S) -> None:
    """Call `refresh`, which blocks, again and again, until this task is cancelled.

    Of failures one after the other, the first is logged.
    """
    is_reading = True
    while True:
        await asyncio.sleep(every_s)
        try:
            await run_in_threadpool(refresh)
        except Exception as error:  # if this task ended, changes would never be seen
            if is_reading:
                extra = {"what": what}
                log.warning("not refreshed, keeping the known", extra=extra, exc_info=error)
            is_reading = False
        else:
            is_reading = True
