"""Find the slates in which chance had a part, and the newest of them.

These are slates of users by a policy that explores. Interleaved lists and popular items have no
propensities, and no policy chose fallbacks. Each segment's counts are in the ledger, so that only
the segments with slates that are wanted need be read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.lineage import ExploredCount, SlateSegment

COLUMNS = ("user_id", "placement", "policy", "propensities", "fallback", "greedy_ranks")
WITHOUT_PROPENSITIES = ("popular", "interleaved")  # policies, as slates name them
_NEWEST_FIRST = [("at_us", "descending"), ("event_id", "ascending")]
Place = tuple[str | None, str]  # a placement (None: lists without one) and a policy


def exploring(rows: pa.Table) -> pa.Table:
    """Return the rows in which chance had a part; `rows` has at least COLUMNS."""
    has_propensities = pc.invert(pc.is_in(rows["policy"], value_set=pa.array(WITHOUT_PROPENSITIES)))
    is_ours = pc.and_(pc.is_valid(rows["user_id"]), pc.invert(rows["fallback"]))
    kept = rows.filter(pc.and_(is_ours, has_propensities))
    return kept.filter(pc.or_(_has_chance(kept), pc.is_valid(kept["greedy_ranks"])))


def count_explored(rows: pa.Table) -> tuple[ExploredCount, ...]:
    """Count the rows in which chance had a part, by placement and policy."""
    places = exploring(rows).select(["placement", "policy"])
    counts = places.group_by(["placement", "policy"], use_threads=False).aggregate(
        [([], "count_all")]
    )
    return tuple(
        ExploredCount(placement=row["placement"], policy=row["policy"], num_slates=row["count_all"])
        for row in counts.to_pylist()
    )


def with_newest(segments: Sequence[SlateSegment], limit: int) -> Iterator[SlateSegment]:
    """Yield, in order, the segments that have some of the newest `limit` slates of a place.

    Their counts are known.
    """
    counts: dict[Place, list[tuple[SlateSegment, int]]] = {}
    for segment in segments:
        for one in segment.explored or ():
            place = one.placement, one.policy
            counts.setdefault(place, []).append((segment, one.num_slates))
    needed = {name for having in counts.values() for name in _names_with_newest(having, limit)}
    yield from (segment for segment in segments if segment.name in needed)


def by_place(rows: pa.Table) -> Iterator[tuple[Place, pa.Table]]:
    """Yield the rows of each placement and policy."""
    places = rows.group_by(["placement", "policy"], use_threads=False).aggregate([])
    for place in places.to_pylist():
        placement, policy = place["placement"], place["policy"]
        of_placement = pc.is_null(rows["placement"])
        if placement is not None:
            of_placement = pc.fill_null(pc.equal(rows["placement"], placement), False)
        yield (
            (placement, policy),
            rows.filter(pc.and_(of_placement, pc.equal(rows["policy"], policy))),
        )


def newest(tables: Sequence[pa.Table], limit: int) -> pa.Table:
    """Return the newest `limit` rows, newest first; a slate that was stored twice once."""
    rows = pa.concat_tables(tables).sort_by(_NEWEST_FIRST).combine_chunks()
    ids = rows["event_id"].combine_chunks()
    is_new = pa.concat_arrays([pa.array([True]), pc.not_equal(ids[1:], ids[:-1])])
    return rows.filter(is_new.slice(0, rows.num_rows)).slice(0, limit)


def _has_chance(rows: pa.Table) -> pa.Array:
    """Return for each row whether one of its items has a propensity below 1."""
    propensities = rows["propensities"].combine_chunks()
    below_1 = pc.fill_null(pc.less(pc.list_flatten(propensities), 1.0), False)
    has_chance_N = np.zeros(rows.num_rows, np.bool_)
    has_chance_N[pc.list_parent_indices(propensities).filter(below_1).to_numpy()] = True
    return pa.array(has_chance_N)


def _names_with_newest(having: Sequence[tuple[SlateSegment, int]], limit: int) -> Collection[str]:
    """Return the segments that fewer than `limit` surely newer slates leave room for."""
    by_first = sorted(having, key=lambda one: one[0].first_at)
    first_ats = [segment.first_at for segment, _ in by_first]
    up_to = [0, *accumulate(num_slates for _, num_slates in by_first)]
    return [
        segment.name
        for segment, _ in having
        if up_to[-1] - up_to[bisect_right(first_ats, segment.last_at)] < limit
    ]
