"""Rows are put into time order in parts, with the result of sorting them at once."""

from __future__ import annotations

import numpy as np
import pytest

from sources.cells.distinct import distinct_cells
from sources.gathering import Gathering, GatheringSizes
from sources.interactions import Interactions

NUM_ROWS = 2_000


def interactions_at(at_s: list[float], *, part_rows: int) -> tuple[Interactions, list[int]]:
    """Gather rows of these times in chunks of 700, with many repeats; the order of ids is fixed."""
    generator = np.random.default_rng(3)
    users, items = (generator.integers(0, 5, len(at_s)).astype(str) for _ in range(2))
    ratings = generator.choice([1.0, 2.0, np.nan], len(at_s))
    types = generator.choice(["view", "buy", ""], len(at_s))
    gathering = Gathering(GatheringSizes(chunk_rows=300, part_rows=part_rows))
    for first in range(0, len(at_s), 700):
        rows = slice(first, first + 700)
        gathering.add(
            users=distinct_cells(users[rows]),
            items=distinct_cells(items[rows]),
            ratings=ratings[rows],
            at=at_s[rows],
            lines=np.arange(len(at_s))[rows],
            types=distinct_cells(types[rows]),
        )
    return gathering.interactions("f.csv", "f" * 64, once=True)


@pytest.mark.parametrize("order", ["any", "ascending", "descending"])
@pytest.mark.parametrize("part_rows", [20, 700])
@pytest.mark.parametrize("step_s", [1.0, 3e-7])
def test_parts_give_the_same_rows_as_one_sort(order: str, part_rows: int, step_s: float) -> None:
    moments = np.random.default_rng(1).integers(0, 500, NUM_ROWS)
    if order != "any":
        moments = np.sort(moments)[:: 1 if order == "ascending" else -1]
    at_s = (1e9 + moments * step_s).tolist()
    whole, repeats = interactions_at(at_s, part_rows=NUM_ROWS)
    in_parts, repeats_in_parts = interactions_at(at_s, part_rows=part_rows)
    assert repeats_in_parts == repeats
    assert 0 < len(repeats) < NUM_ROWS
    assert list(in_parts.with_lines(0, NUM_ROWS)) == list(whole.with_lines(0, NUM_ROWS))
    times = [raw["at"] for raw in whole]
    assert times == sorted(times, key=float)  # type: ignore[arg-type]
    assert len({raw["event_id"] for raw in whole}) == len(whole)


def test_the_latest_time_is_found_up_to_a_limit() -> None:
    events, _ = interactions_at([float(second) for second in range(NUM_ROWS)], part_rows=500)
    assert events.latest(0, len(events), until_s=1e9) == NUM_ROWS - 1
    assert events.latest(0, len(events), until_s=1234.5) == 1234
    assert events.latest(10, 20, until_s=1e9) == 19
    assert events.latest(10, 20, until_s=5.0) is None
