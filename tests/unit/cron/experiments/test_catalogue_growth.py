"""The explored catalogue at equal numbers of shown items."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.experiments.catalogue_growth import compare_at_equal_size, expected_items


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_more_lists_never_show_fewer_items(times: list[int]) -> None:
    found = [expected_items(times, shown) for shown in range(sum(times) + 1)]
    assert found[0] == pytest.approx(0)
    assert found[1] == pytest.approx(1)
    assert found[-1] == pytest.approx(len(times))
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(found))


def test_two_draws_of_two_items_show_both_in_a_known_share() -> None:
    """Of 2 + 2 shown items, 2 drawn ones are different in 4 of 6 cases."""
    assert expected_items([2, 2], 2) == pytest.approx(1 + 4 / 6)


def test_an_arm_with_more_visitors_is_not_called_more_varied() -> None:
    small, large = compare_at_equal_size([[1] * 50, [100] * 50])
    assert small == pytest.approx(50)
    assert large < 40


def test_more_items_than_were_shown_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 3"):
        expected_items([1, 2], 4)
