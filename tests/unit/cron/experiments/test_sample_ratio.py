"""The sample-ratio check finds lost users, and does not stop a sound experiment."""

from __future__ import annotations

from random import Random

import pytest

from cron.experiments.sample_ratio import is_broken, sample_ratio_p


def test_no_users_say_nothing() -> None:
    assert sample_ratio_p((0, 0), (0.5, 0.5)) == 1


def test_the_right_shares_are_not_broken() -> None:
    assert not is_broken((5_000, 5_020), (0.5, 0.5))
    assert not is_broken((900, 8_100, 1_010), (0.09, 0.81, 0.1))


def test_lost_users_break_the_experiment() -> None:
    assert is_broken((50_000, 48_000), (0.5, 0.5))
    assert not is_broken((50_000, 48_000), (50 / 98, 48 / 98))


def test_shares_and_counts_must_be_of_the_same_arms() -> None:
    with pytest.raises(ValueError, match="shorter"):
        sample_ratio_p((1, 2), (1.0,))


def test_a_look_after_every_few_users_stops_no_sound_experiment() -> None:
    random = Random(5)
    for _ in range(100):
        counts = [0, 0]
        for _ in range(60):
            first = sum(random.random() < 0.5 for _ in range(50))
            counts = [counts[0] + first, counts[1] + 50 - first]
            assert not is_broken(counts, (0.5, 0.5))
