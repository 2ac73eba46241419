"""The agreement of two lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.experiments.list_agreement import overlap, rank_biased_overlap

LISTS = st.lists(st.sampled_from("abcdefghij"), unique=True)


@given(LISTS)
def test_a_list_agrees_with_itself(items: list[str]) -> None:
    assert overlap(items, items) == 1.0
    assert rank_biased_overlap(items, items) == pytest.approx(1.0)


@given(LISTS, LISTS)
def test_agreement_is_symmetric_and_a_share(one: list[str], other: list[str]) -> None:
    for agreement in (overlap, rank_biased_overlap):
        assert agreement(one, other) == pytest.approx(agreement(other, one))
        assert -1e-12 <= agreement(one, other) <= 1 + 1e-12


def test_the_value_of_a_small_pair_by_hand() -> None:
    """X is 0, 2, 2: shares 0, 1, 2/3, with p = 0.5."""
    assert overlap("abc", "bad") == pytest.approx(2 / 3)
    found = rank_biased_overlap("abc", "bad", persistence=0.5)
    assert found == pytest.approx(2 / 3 * 0.125 + 1.0 * 0.25 + 2 / 3 * 0.125)


def test_an_exchange_at_the_top_weighs_more() -> None:
    top, bottom = rank_biased_overlap("abcdef", "bacdef"), rank_biased_overlap("abcdef", "abcdfe")
    assert top < bottom < 1


def test_lists_without_a_common_item_do_not_agree() -> None:
    assert (overlap("ab", "cd"), rank_biased_overlap("ab", "cd")) == (0.0, 0.0)
    assert overlap("ab", "") == 0.0
