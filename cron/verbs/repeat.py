"""Repeat the turns of `follow` and `relay` until SIGTERM, waiting for servers that are down."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable

from cron.errors import Unavailable
from cron.logs import set_up_logs

FIRST_WAIT_S, LAST_WAIT_S = 1.0, 30.0  # for a server that is down; doubled each time

log = logging.getLogger(__name__)


def repeat(turn: Callable[[], int], *, once: bool, poll_s: float) -> int:
    """Call `turn`, which returns a number of records, until SIGTERM; return their sum.

    With `once`, stop when a turn moved no record. A turn is never interrupted. A server that is
    down is waited for; with `once`, Unavailable is raised instead.
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
            log.warning("waiting for a server", extra={"why": str(error), "wait_s": wait_s})
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, LAST_WAIT_S)
            continue
        total, wait_s = total + moved, FIRST_WAIT_S
        if not moved:
            if once:
                break
            stop.wait(poll_s)
    return total
