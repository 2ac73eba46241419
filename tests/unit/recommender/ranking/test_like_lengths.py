"""Groups of histories of like lengths."""

from __future__ import annotations

from recommender.ranking.like_lengths import EVENTS_OF_A_PASS, groups_of_like_lengths


def test_histories_of_about_one_length_are_one_group_in_order() -> None:
    assert list(groups_of_like_lengths([30, 10, 20], 64)) == [[0, 1, 2]]
    assert list(groups_of_like_lengths([], 64)) == []


def test_short_histories_are_not_padded_to_long_ones() -> None:
    lengths = [100, 5, 100, 5] * 8
    short, long = groups_of_like_lengths(lengths, 64)
    assert short == [user for user, length in enumerate(lengths) if length == 5]
    assert long == [user for user, length in enumerate(lengths) if length == 100]


def test_a_group_is_divided_only_where_it_pays() -> None:
    enough = EVENTS_OF_A_PASS
    assert list(groups_of_like_lengths([enough - 1, 0], 64)) == [[0, 1]]
    assert list(groups_of_like_lengths([enough, 0], 64)) == [[1], [0]]


def test_no_group_is_larger_than_allowed() -> None:
    groups = list(groups_of_like_lengths([7] * 150, 64))
    assert [len(group) for group in groups] == [64, 64, 22]
    assert sorted(user for group in groups for user in group) == list(range(150))
