"""Connects to a Ray cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable

from trainer.cluster.messages import last_line
from trainer.machine.retries import RetryPolicy, call_with_retries

# Ray's proxy forks for each driver while its gRPC threads run, and a few forks in a hundred crash
# (ray-project/ray#63202). Nothing has started by then, so connecting again is safe.
_JOINS = RetryPolicy(
    may_pass=lambda error: isinstance(error, ConnectionAbortedError), max_tries=5, first_pause_s=0.0
)


def join(connect: Callable[[], object]) -> None:
    """Connect to the cluster, again if its head accepts and then drops the connection.

    Raise ConnectionAbortedError when that happens each time.
    """

    def report(error: BaseException, _: int) -> None:
        sys.stderr.write(f"on Ray: {last_line(error)} Connecting again\n")

    call_with_retries(_JOINS, connect, before_pause=report)
