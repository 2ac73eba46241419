"""Notice that a machine of the Ray cluster is about to be taken. Needs Ray."""

from __future__ import annotations

import time

from ray.train.v2._internal.execution.context import get_train_context

from trainer.machine.preemption import PreemptionNotice

# For a step and a checkpoint. Ray counts the machine until it is gone, so ending earlier would only
# leave the others without work.
_BEFORE_MS = 10_000


class DrainNotice(PreemptionNotice):
    """The notice of a rank: Ray drains the machine of one of the ranks, which has seconds left.

    Ray's public call waits for all ranks at each step; this only reads what this one knows,
    because the training exchanges it between ranks anyway.
    """

    def is_given(self) -> bool:
        """Return whether the notice has come."""
        drain = get_train_context().preemption_context.preemption_info
        return drain is not None and ends_soon(drain.deadline_ms, now_ms=time.time() * 1000)


def ends_soon(deadline_ms: int | None, *, now_ms: float) -> bool:
    """Return whether it is time for the last checkpoint; False when nobody knows the deadline."""
    return deadline_ms is not None and now_ms >= deadline_ms - _BEFORE_MS
