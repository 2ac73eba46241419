"""How `follow` and `relay` keep at it: turn after turn until SIGTERM, through the absence of the machines they work with."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable

from cron.errors import Unavailable
from cron.logs import set_up_logs

FIRST_WAIT_S, LAST_WAIT_S = 1.0, 30.0  # for a machine that is away, doubled each time

log = logging.getLogger(__name__)


def repeat(turn: Callable[[], int], *, once: bool, poll_s: float) -> int:
    """Call `turn` until SIGTERM, or with `once` until it moved nothing; return how many records it moved in all.

    A turn is never cut short. Without `once` a machine that is away is waited for; with it
    Unavailable is raised.
    """
    set_up_logs()
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    total, wait_s = 0, FIRST_WAIT_S
    while not stop.is_set():
        try:
            moved = turn()
        except Unavailable as error:
            if once:
                raise
            log.warning("waiting for another machine", extra={"why": str(error), "wait_s": wait_s})
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, LAST_WAIT_S)
            continue
        total, wait_s = total + moved, FIRST_WAIT_S
        if not moved:
            if once:
                break
            stop.wait(poll_s)
    return total
