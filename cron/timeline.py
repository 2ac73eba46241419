"""Events in the order of their users' lives, and which of them a snapshot takes: targets, replay, panel, and everybody's context.

Pure array work; knows neither files nor the journal. Suffix N: one entry an event, sorted by (user_id, at_us, event_id).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

COLUMNS = ("seq", "event_id", "user_id", "item_id", "type", "rating", "at_us")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Events sorted by (user_id, at_us, event_id).

    `user_N` counts users up from 0; `lasting_N` is false for impressions, which are no history.
    """

    table: pa.Table
    seq_N: Numbers
    user_N: Numbers
    lasting_N: Mask
    panel_N: Mask


def timeline(events: pa.Table, *, is_panel: Callable[[str], bool]) -> Timeline:
    """Sort events and mark the panel's; `events` has at least COLUMNS."""
    table = (
        events.select(list(COLUMNS)).sort_by([("user_id", "ascending"), ("at_us", "ascending"), ("event_id", "ascending")]).combine_chunks()
    )
    encoded = table["user_id"].combine_chunks().dictionary_encode()
    user_N = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    of_panel = np.array([is_panel(user_id) for user_id in encoded.dictionary.to_pylist()], dtype=np.bool_)
    return Timeline(
        table=table,
        seq_N=table["seq"].to_numpy(),
        user_N=user_N,
        lasting_N=pc.not_equal(table["type"], "impression").to_numpy(),
        panel_N=of_panel[user_N] if len(user_N) else np.zeros(0, np.bool_),
    )


def in_ranges(numbers: Numbers, ranges: Iterable[tuple[int, int]]) -> Mask:
    """Tell which numbers lie in one of the ranges, both ends included."""
    inside = np.zeros(len(numbers), np.bool_)
    for first, last in ranges:
        inside |= (numbers >= first) & (numbers <= last)
    return inside


def context_of(events: Timeline, chosen_N: Mask, *, max_history: int) -> Mask:
    """Mark the last `max_history` lasting events before each chosen event, of the same user, the chosen ones left out.

    Lasting events get ranks 0, 1, 2, …; each chosen event needs an interval of ranks; a difference array marks their union.
    """
    lasting_rank_N: Numbers = np.cumsum(events.lasting_N) - events.lasting_N  # lasting events before this one, of all users
    starts = np.flatnonzero(np.diff(events.user_N, prepend=-1))
    first_rank_N: Numbers = lasting_rank_N[starts][events.user_N] if len(starts) else lasting_rank_N
    chosen = np.flatnonzero(chosen_N)
    ends: Numbers = lasting_rank_N[chosen]
    begins = np.maximum(first_rank_N[chosen], ends - max_history)
    steps = np.zeros(int(events.lasting_N.sum()) + 1, np.int64)
    np.add.at(steps, begins, 1)
    np.add.at(steps, ends, -1)
    needed = np.cumsum(steps)[:-1] > 0
    context_N = np.zeros_like(chosen_N)
    context_N[np.flatnonzero(events.lasting_N)[needed]] = True
    return context_N & ~chosen_N


def replay_sample(events: Timeline, *, first_N: Mask, before: int, size: int, run: int, seed: int) -> Mask:
    """Draw about `size` lasting events numbered below `before`, of users outside the panel: those of `first_N` and runs of others.

    A run is a user's up to `run` events that end at a random one. Single events would each bring a history to look back on, which
    costs as much to read as it would to learn; for the same reason `first_N`, what is read anyway, is taken whatever its number.
    """
    candidate_N = (events.seq_N < before) & events.lasting_N & ~events.panel_N
    sample_N = candidate_N & first_N
    candidates = np.flatnonzero(candidate_N)
    user_C = events.user_N[candidates]
    start_C = np.searchsorted(user_C, user_C)
    ends = np.random.default_rng(seed).permutation(len(candidates))
    missing = min(size, len(candidates)) - int(sample_N.sum())
    for end in ends if missing > 0 else ():
        drawn = candidates[max(start_C[end], end - run + 1) : end + 1]
        missing -= int((~sample_N[drawn]).sum())
        sample_N[drawn] = True
        if missing <= 0:
            break
    return sample_N


def newest_of_panel(events: Timeline, *, min_users: int, min_events: int) -> Mask:
    """Mark the newest lasting events of the panel, as few as hold `min_users` users and `min_events` events; all when there are fewer.

    Of one user at most the newest `2 · min_events / min_users` count: users are what the gate resamples, so that a heavy user's
    hundredth event costs time and adds no certainty.
    """
    rows = np.flatnonzero(events.panel_N & events.lasting_N)
    order = pc.sort_indices(
        events.table.select(["at_us", "event_id"]).take(rows), sort_keys=[("at_us", "descending"), ("event_id", "descending")]
    )
    newest = rows[order.to_numpy()]
    place_N = _places(events.user_N[newest])
    few = newest[place_N < max(1, 2 * min_events // max(1, min_users))]
    newest = few if len(few) >= min_events else newest
    _, firsts = np.unique(events.user_N[newest], return_index=True)
    num_needed = max(min_events, int(np.sort(firsts)[min_users - 1]) + 1) if 0 < min_users <= len(firsts) else len(newest)
    if min_users <= 0:
        num_needed = min_events
    score_N = np.zeros(len(events.seq_N), np.bool_)
    score_N[newest[:num_needed]] = True
    return score_N


def _places(user_N: Numbers) -> Numbers:
    """Return how many entries of the same user stand before each entry."""
    by_user = np.argsort(user_N, kind="stable")
    starts = np.flatnonzero(np.diff(user_N[by_user], prepend=-1))
    lengths = np.diff(starts, append=len(user_N))
    place_N = np.empty(len(user_N), np.int64)
    place_N[by_user] = np.arange(len(user_N)) - np.repeat(starts, lengths)
    return place_N


def with_roles(events: Timeline, roles: Iterable[tuple[str, Mask]]) -> pa.Table:
    """Return the marked events with a `role` column, order kept; of several marks on one event the first counts."""
    role_N = np.full(len(events.seq_N), "", dtype=object)
    for role, mask_N in reversed(list(roles)):
        role_N[mask_N] = role
    rows = np.flatnonzero(role_N != "")
    table = events.table.take(rows)
    table = table.set_column(table.schema.get_field_index("rating"), "rating", table["rating"].cast(pa.float32()))
    return table.append_column("role", pa.array(role_N[rows], pa.string()))
