"""The even pace of verbs that send many things to a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

BATCHES_PER_S = 20  # one batch per 50 ms: even at any speed, and few calls
MAX_LAG_S = 1.0  # how much of the time lost by a slow answer is made up for

One = TypeVar("One")


def even_batches(
    things: Iterable[One],
    speed: float,
    *,
    max_batch: int,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[list[One]]:
    """Yield batches at `speed` things per second.

    Time lost while waiting for the gateway is not made up for by a burst.
    """
    size = min(max_batch, max(1, round(speed / BATCHES_PER_S)))
    stream = iter(things)
    due = clock()
    while batch := list(islice(stream, size)):
        sleep(max(0.0, due - clock()))
        yield batch
        due = max(due + len(batch) / speed, clock() - MAX_LAG_S)
