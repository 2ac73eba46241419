"""The events that a request puts in each role, and their context. N: one entry per event."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cron.snapshot.judged import positive_of
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.timeline import Mask, Timeline, context_of, in_ranges, with_roles


def positive(events: Timeline, request: SnapshotRequest) -> Mask:
    """Mark what users chose."""
    return positive_of(events, request.positive_types, request.positive_rating)


def inside_target(events: Timeline, request: SnapshotRequest) -> Mask:
    """Mark the events of the target range, those of the panel too."""
    return in_ranges(events.seq_N, [request.target_range] if request.target_range else [])


def fresh(events: Timeline, request: SnapshotRequest) -> Mask:
    """Mark the events that the live model never trained on and is scored on."""
    fresh_range = request.fresh_range
    if fresh_range is None and request.mode == "update":
        fresh_range = request.target_range
    return in_ranges(events.seq_N, [fresh_range] if fresh_range else []) & events.lasting_N


def with_context(events: Timeline, request: SnapshotRequest, **roles: Mask) -> pa.Table:
    """Return the events in these roles, and the events of their users before each of them."""
    chosen_N = np.logical_or.reduce(list(roles.values()))
    context_N = context_of(events, chosen_N, max_history=request.max_history)
    return with_roles(events, [*roles.items(), ("context", context_N)])
