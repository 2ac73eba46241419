"""The newest slates in which chance had a part, read from few segments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from cron.ledger import slate_rows
from cron.lineage import ExploredCount
from recommender.records.slates import Slate
from tests.component.forgetting import forget_in
from tests.component.house import House
from tests.contracts.records import START_AT, slate

LONG_AGO = START_AT - timedelta(days=1)


def explored_slate(number: int, *, placement: str | None = "home") -> Slate:
    return replace(slate(number), placement=placement, policy="epsilon")


def greedy_slate(number: int) -> Slate:
    return replace(slate(number), propensities=(None, 1.0, 1.0))


def collect(house: House, *slates: Slate) -> None:
    house.log.append(slates)
    house.collect()


def newest(house: House, limit: int) -> dict[object, list[str]]:
    """Return the ids of the newest explored slates of each place."""
    found = house.journal.slates.newest_exploring(
        LONG_AGO, limit=limit, columns=["event_id"], lease=house.lease
    )
    return {place: rows["event_id"].to_pylist() for place, rows in found.items()}


def test_segments_count_what_chance_had_a_part_in(house: House) -> None:
    ranked = replace(greedy_slate(7), greedy_ranks=(None, 1, 2), policy="ucb")
    others = [
        replace(explored_slate(8), user_id=None),
        replace(explored_slate(9), fallback=True),
        replace(explored_slate(10), policy="interleaved"),
        replace(explored_slate(11), policy="popular"),
    ]
    collect(
        house,
        explored_slate(1),
        explored_slate(2),
        explored_slate(3, placement=None),
        greedy_slate(4),
        ranked,
        *others,
    )
    (segment,) = slate_rows.segments(house.ledger)
    assert segment.explored == (
        ExploredCount(placement="home", policy="epsilon", num_slates=2),
        ExploredCount(placement=None, policy="epsilon", num_slates=1),
        ExploredCount(placement="home", policy="ucb", num_slates=1),
    )


def test_the_newest_slates_of_each_place_are_found(house: House) -> None:
    for first in range(0, 12, 3):
        parts = [
            explored_slate(first),
            explored_slate(first + 1, placement=None),
            greedy_slate(first + 2),
        ]
        collect(house, *parts)
    assert newest(house, 2) == {
        ("home", "epsilon"): ["s000009", "s000006"],
        (None, "epsilon"): ["s000010", "s000007"],
    }
    assert newest(house, 9)["home", "epsilon"] == ["s000009", "s000006", "s000003", "s000000"]


def test_a_slate_that_was_stored_twice_is_found_once(house: House) -> None:
    for number in (1, 2, 1, 3):
        house.journal.slates.put([explored_slate(number)], house.lease)
    house.journal.slates.tidy(older_than=LONG_AGO, lease=house.lease)
    assert newest(house, 9) == {("home", "epsilon"): ["s000003", "s000002", "s000001"]}


def test_slates_of_forgotten_users_are_not_found(house: House, tmp_path: Path) -> None:
    collect(house, explored_slate(1), replace(explored_slate(2), user_id="v"))
    forget_in(house, tmp_path, "u")
    assert newest(house, 9) == {("home", "epsilon"): ["s000002"]}


@contextmanager
def arrow_memory() -> Iterator[pa.MemoryPool]:
    """Count what arrow allocates meanwhile."""
    usual = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counted)
    try:
        yield counted
    finally:
        pa.set_memory_pool(usual)


def test_memory_does_not_grow_with_the_week(house: House) -> None:
    peaks = []
    for segments in (range(3), range(3, 30)):
        for first in (500 * number for number in segments):
            parts = [greedy_slate(number) for number in range(first, first + 495)]
            parts += [explored_slate(number) for number in range(first + 495, first + 500)]
            new = house.journal.slates.put(parts, house.lease)
            assert new is not None
            slate_rows.adopt(house.ledger, [new.segment], gone=(), lease=house.lease)
        with arrow_memory() as memory:
            (found,) = newest(house, 1_000).values()
        assert len(found) == 5 * segments.stop
        peaks.append(memory.max_memory())
    assert peaks[1] < 1.5 * peaks[0]
