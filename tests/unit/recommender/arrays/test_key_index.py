"""An index of keys whose rows moved is the one that is built of the keys as they are now."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.arrays.key_index import KeyIndex

KEYS = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "é", ""])), max_size=8)


@given(
    before=KEYS, added=st.dictionaries(st.integers(0, 9), st.sampled_from("abc")), data=st.data()
)
def test_changes_give_the_index_of_all_keys(
    before: list[str | None], added: dict[int, str], data: st.DataObject
) -> None:
    """Keys go, others come between them, and several rows may have the same key."""
    kept = [row for row in range(len(before)) if data.draw(st.booleans())]
    now: list[str | None] = [before[row] for row in kept]
    places = list(range(len(now)))
    more = list[tuple[str, int]]()
    for place, key in sorted(added.items()):
        at = min(place, len(now))
        now.insert(at, key)
        places = [one + (one >= at) for one in places]
        more = [(other, row + (row >= at)) for other, row in more] + [(key, at)]
    moved_N = np.full(len(before), -1, np.int64)
    moved_N[kept] = places
    found, expected = KeyIndex.build(before).with_changes(moved_N, more), KeyIndex.build(now)
    assert found.hashes_K.tolist() == expected.hashes_K.tolist()
    assert found.rows_K.tolist() == expected.rows_K.tolist()
