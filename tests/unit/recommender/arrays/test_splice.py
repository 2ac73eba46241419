"""Rows of different lengths, of which some get other values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.arrays.splice import splice, spliced_starts, starts_of

ROW = st.lists(st.integers(0, 9), max_size=3)


@given(before=st.lists(ROW, max_size=6), changes=st.dictionaries(st.integers(0, 5), ROW))
def test_changed_rows_are_in_place_of_the_old_ones(
    before: list[list[int]], changes: dict[int, list[int]]
) -> None:
    others = {row: np.array(one, np.int64) for row, one in changes.items() if row < len(before)}
    values_L = np.array([one for row in before for one in row], np.int32)
    starts_X1 = starts_of(np.array([len(row) for row in before], np.int64))
    now = [*before]
    for row, other in others.items():
        now[row] = other.tolist()
    found_L, found_X1 = splice(values_L, starts_X1, others), spliced_starts(starts_X1, others)
    assert found_L.dtype == values_L.dtype
    assert [found_L[a:b].tolist() for a, b in pairwise(found_X1)] == now
