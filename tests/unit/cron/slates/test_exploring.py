"""Which segments have the newest slates in which chance had a part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cron.lineage import SlateSegment
from cron.slates import slate_tables
from cron.slates.exploring import by_place, count_explored, exploring, newest, with_newest
from recommender.records.slates import Slate

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def slate_at(number: int, second: int, placement: str | None, propensity: float | None) -> Slate:
    return Slate(
        event_id=f"s{number}",
        user_id="u",
        placement=placement,
        items=("pinned", "a"),
        propensities=(None, propensity),
        policy="epsilon",
        version=1,
        fallback=False,
        arm=None,
        at=BEGIN + timedelta(seconds=second),
    )


def segment_of(number: int, rows: pa.Table) -> SlateSegment:
    first_at, last_at = slate_tables.time_bounds(rows)
    return SlateSegment(
        name=str(number),
        sha256="",
        first_at=first_at,
        last_at=last_at,
        num_slates=rows.num_rows,
        size_bytes=0,
        explored=count_explored(rows),
    )


SERVED = st.tuples(
    st.integers(0, 30), st.sampled_from(["home", "cart", None]), st.sampled_from([0.5, 1.0, None])
)


@given(st.lists(st.lists(SERVED, min_size=1, max_size=6), max_size=8), st.integers(1, 5))
def test_the_segments_hold_the_newest_of_each_place(
    batches: list[list[tuple[int, str | None, float | None]]], limit: int
) -> None:
    """Segments may overlap in time, and many slates may have the same time."""
    tables = [
        slate_tables.table_of([slate_at(100 * number + row, *one) for row, one in enumerate(batch)])
        for number, batch in enumerate(batches)
    ]
    segments = [segment_of(number, rows) for number, rows in enumerate(tables)]
    chosen = [tables[int(segment.name)] for segment in with_newest(segments, limit)]

    def newest_ids(parts: list[pa.Table]) -> dict[object, list[int]]:
        rows = exploring(pa.concat_tables([slate_tables.table_of([]), *parts]))
        found = by_place(rows)
        return {place: newest([part], limit)["at_us"].to_pylist() for place, part in found}

    assert newest_ids(chosen) == newest_ids(tables)


def test_segments_of_older_slates_are_not_read() -> None:
    tables = [slate_tables.table_of([slate_at(n, n, "home", 0.5)]) for n in range(5)]
    segments = [segment_of(number, rows) for number, rows in enumerate(tables)]
    assert [one.name for one in with_newest(segments, 2)] == ["3", "4"]


def test_slates_without_items_or_chance_do_not_explore() -> None:
    rows = slate_tables.table_of([slate_at(1, 1, "home", 1.0), slate_at(2, 2, "home", None)])
    assert exploring(rows).num_rows == 0
    assert exploring(slate_tables.table_of([])).num_rows == 0
    assert count_explored(rows) == ()
