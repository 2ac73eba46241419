"""What the histories say for one answer: a user's past events, and which items are hidden.

They are read in the event loop where that does not block, and otherwise in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool

from cron.past_event import PastEvent
from cron.ports import Histories
from recommender.requests.wire import MAX_K


async def past_events(histories: Histories, user_id: str, n: int) -> Sequence[PastEvent]:
    """Return the user's newest n events, newest last."""
    events = histories.past_at_once(user_id, n)
    if events is None:
        events = await run_in_threadpool(histories.past, user_id, n)
    return events


async def hidden_items(histories: Histories, item_ids: Sequence[str]) -> frozenset[str]:
    """Return those of the ids that must not be shown now."""
    hidden = histories.hidden_at_once(item_ids)
    if hidden is None:
        hidden = await run_in_threadpool(histories.hidden_among, item_ids)
    return hidden


def larger_k(k: int, *, num_found: int, num_left: int, wanted: int) -> int | None:
    """Return how many items to ask the model for again; None when its answer is enough.

    The model found `num_found` of k items, and `num_left` of these are not hidden. It has no more
    when it found fewer than k.
    """
    if num_left >= wanted or num_found < k or k == MAX_K:
        return None
    return min(10 * k, MAX_K)
