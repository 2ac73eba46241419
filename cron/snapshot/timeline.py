"""The timeline of events, and the choice of the replayed events and of everybody's context.

Pure array work. Suffix N: one entry per event, sorted by (user_id, at_us, event_id); C: one entry
per candidate among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

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

    `user_N` holds indices into `users`; `item_N` numbers the items in no order. `lasting_N` is
    false for impressions, which are not part of a history. `panel_N` marks the events of users who
    are kept out of training.
    """

    table: pa.Table
    users: list[str]
    seq_N: Numbers
    at_us_N: Numbers
    user_N: Numbers
    item_N: Numbers
    rating_N: NDArray[np.float64]  # NaN: none
    lasting_N: Mask
    panel_N: Mask

    def by_user(self, value: Callable[[str], float]) -> NDArray[np.float64]:
        """Return `value` of each event's user; it is called once per user."""
        return np.array([value(user_id) for user_id in self.users], dtype=np.float64)[self.user_N]

    def users_at(self, seq: Numbers) -> list[str]:
        """Return the users of the events with these numbers."""
        return [self.users[user] for user in np.unique(self.user_N[np.isin(self.seq_N, seq)])]

    def before(self, seq: int) -> Timeline:
        """Return the events with numbers below `seq`, as if no others existed."""
        kept_N = self.seq_N < seq
        known, user_N = np.unique(self.user_N[kept_N], return_inverse=True)  # numbers without gaps
        return Timeline(
            table=self.table.filter(pa.array(kept_N)),
            users=[self.users[user] for user in known],
            seq_N=self.seq_N[kept_N],
            at_us_N=self.at_us_N[kept_N],
            user_N=user_N.astype(np.int64),
            item_N=self.item_N[kept_N],
            rating_N=self.rating_N[kept_N],
            lasting_N=self.lasting_N[kept_N],
            panel_N=self.panel_N[kept_N],
        )

    def types(self) -> tuple[list[str], Numbers]:
        """Return the names of the event types, and each event's index into them."""
        return dictionary_codes(self.table["type"])


def timeline(events: pa.Table, *, is_panel: Callable[[str], bool]) -> Timeline:
    """Sort events, which have at least COLUMNS, and mark those of the panel.

    The table gets two columns: `is_first`, a user's first event with an item, and
    `is_first_rating`, their first rating of it.
    """
    table = (
        events.select(list(COLUMNS))
        .sort_by([("user_id", "ascending"), ("at_us", "ascending"), ("event_id", "ascending")])
        .combine_chunks()
    )
    users, user_N = dictionary_codes(table["user_id"])
    of_panel = np.array([is_panel(user_id) for user_id in users], dtype=np.bool_)
    made = Timeline(
        table=table,
        users=users,
        seq_N=table["seq"].to_numpy(),
        at_us_N=table["at_us"].to_numpy(),
        user_N=user_N,
        item_N=dictionary_codes(table["item_id"])[1],
        rating_N=ratings(table["rating"]),
        lasting_N=lasting(table["type"]),
        panel_N=of_panel[user_N] if len(user_N) else np.zeros(0, np.bool_),
    )
    firsts = {
        "is_first": _first_meetings(made, made.lasting_N),
        "is_first_rating": _first_meetings(made, made.lasting_N & ~np.isnan(made.rating_N)),
    }
    for name, first_N in firsts.items():
        table = table.append_column(name, pa.array(first_N, pa.bool_()))
    return replace(made, table=table)


def _first_meetings(events: Timeline, among_N: Mask) -> Mask:
    """Mark each user's first event with each item, among the events `among_N`.

    First by journal number: a sender can choose times, but not these numbers.
    """
    chosen = np.flatnonzero(among_N)
    chosen = chosen[np.argsort(events.seq_N[chosen])]
    pair_C = events.user_N[chosen] * (int(events.item_N.max(initial=0)) + 1) + events.item_N[chosen]
    _, firsts = np.unique(pair_C, return_index=True)
    first_N = np.zeros(len(events.seq_N), np.bool_)
    first_N[chosen[firsts]] = True
    return first_N


def ratings(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return ratings as numbers; NaN where there is none."""
    rating_N: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return np.where(np.isfinite(rating_N), rating_N, np.nan)


def lasting(types: pa.ChunkedArray) -> Mask:
    """Mark the events that are part of a history: all but impressions."""
    mask_N: Mask = pc.not_equal(types, "impression").to_numpy()
    return mask_N


def dictionary_codes(column: pa.ChunkedArray) -> tuple[list[str], Numbers]:
    """Return the different texts of a column, and each row's index into them."""
    encoded = column.combine_chunks().dictionary_encode()
    codes: Numbers = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), codes


def in_ranges(numbers: Numbers, ranges: Iterable[tuple[int, int]]) -> Mask:
    """Mark the numbers that are in one of the ranges; both ends are included."""
    inside = np.zeros(len(numbers), np.bool_)
    for first, last in ranges:
        inside |= (numbers >= first) & (numbers <= last)
    return inside


def context_of(events: Timeline, chosen_N: Mask, *, max_history: int) -> Mask:
    """Mark each chosen event's last `max_history` lasting events of the same user.

    Chosen events are not marked. Lasting events get ranks 0, 1, 2, …; each chosen event needs an
    interval of ranks; a difference array marks the union of the intervals.
    """
    # lasting events before this one, of all users
    lasting_rank_N: Numbers = np.cumsum(events.lasting_N) - events.lasting_N
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDraw:
    """How older events are drawn: how many, in runs of at most `run` events, and the seed."""

    size: int
    run: int
    seed: int


def replay_sample(
    events: Timeline,
    allowed_N: Mask,
    *,
    first_N: Mask,
    end_N: Mask | None = None,
    draw: ReplayDraw,
) -> Mask:
    """Draw about `draw.size` of the allowed events: those of `first_N`, and runs of others.

    A run is at most `draw.run` consecutive events of a user. The last of them is drawn at random,
    among those of `end_N` if it is given. Single events would each need their own history, and
    reading a history costs as much as training on it. For the same reason all of `first_N`, which
    are read anyway, are taken.
    """
    sample_N = allowed_N & first_N
    candidates = np.flatnonzero(allowed_N)
    user_C = events.user_N[candidates]
    start_C = np.searchsorted(user_C, user_C)
    places = np.arange(len(candidates)) if end_N is None else np.flatnonzero(end_N[candidates])
    ends = np.random.default_rng(draw.seed).permutation(places)
    missing = min(draw.size, len(candidates)) - int(sample_N.sum())
    for end in ends if missing > 0 else ():
        drawn = candidates[max(start_C[end], end - draw.run + 1) : end + 1]
        missing -= int((~sample_N[drawn]).sum())
        sample_N[drawn] = True
        if missing <= 0:
            break
    return sample_N


def with_roles(events: Timeline, roles: Iterable[tuple[str, Mask]]) -> pa.Table:
    """Return the marked events, in order, with a `role` column.

    If an event has several marks, the first counts.
    """
    role_N = np.full(len(events.seq_N), "", dtype=object)
    for role, mask_N in reversed(list(roles)):
        role_N[mask_N] = role
    rows = np.flatnonzero(role_N != "")
    table = events.table.take(rows)
    table = table.set_column(
        table.schema.get_field_index("rating"), "rating", table["rating"].cast(pa.float32())
    )
    return table.append_column("role", pa.array(role_N[rows], pa.string()))
