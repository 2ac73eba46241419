"""Assignment: even, sticky, exclusive within a layer, and unchanged while a ramp grows."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cron.experiments.assignment import (
    LayerRange,
    Ramp,
    chosen_arm,
    free_range,
    is_in_range,
    unit_place,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
USERS = [f"user-{number}" for number in range(20_000)]


def test_arms_get_their_shares() -> None:
    counts = Counter(chosen_arm("try", user, (0.2, 0.5, 0.3)) for user in USERS)
    for row, share in enumerate((0.2, 0.5, 0.3)):
        assert abs(counts[row] / len(USERS) - share) < 0.015


def test_another_experiment_mixes_the_users_again() -> None:
    first = [chosen_arm("one", user, (0.5, 0.5)) for user in USERS]
    second = [chosen_arm("two", user, (0.5, 0.5)) for user in USERS]
    both = sum(a == b for a, b in zip(first, second, strict=True))
    assert abs(both / len(USERS) - 0.5) < 0.015


def test_the_arm_does_not_depend_on_the_place_in_the_layer() -> None:
    """Otherwise a ramp or a narrow range would give an arm more than its share."""
    reserved = LayerRange(begin=0.3, share=0.2)
    inside = [user for user in USERS if is_in_range("home", user, reserved)]
    assert abs(len(inside) / len(USERS) - 0.2) < 0.01
    counts = Counter(chosen_arm("try", user, (0.5, 0.5)) for user in inside)
    assert abs(counts[0] / len(inside) - 0.5) < 0.03


@given(st.text(max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_a_user_stays_in_while_the_ramp_grows(user: str, first: float, second: float) -> None:
    reserved = LayerRange(begin=0.25, share=0.5)
    early, late = sorted((first, second))
    if is_in_range("home", user, reserved, part=early):
        assert is_in_range("home", user, reserved, part=late)


@given(st.text(max_size=30), st.text(max_size=300))
def test_every_text_has_a_place(salt: str, user: str) -> None:
    assert 0 <= unit_place(salt, user) < 1
    assert unit_place(salt, user) == unit_place(salt, user)


@given(st.lists(st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.5]), max_size=12))
def test_ranges_of_a_layer_never_overlap(shares: list[float]) -> None:
    taken: list[LayerRange] = []
    for share in shares:
        found = free_range(taken, share)
        if found is None:
            assert sum(one.share for one in taken) + share > 1
        else:
            taken.append(found)
    ordered = sorted(taken, key=lambda one: one.begin)
    for before, after in pairwise(ordered):
        assert before.end <= after.begin + 1e-9
    assert all(one.end <= 1 + 1e-9 for one in taken)


def test_a_range_that_ended_is_used_again() -> None:
    taken = [LayerRange(begin=0.0, share=0.3), LayerRange(begin=0.5, share=0.5)]
    assert free_range(taken, 0.2) == LayerRange(begin=0.3, share=0.2)
    assert free_range(taken, 0.3) is None


def test_a_ramp_is_whole_after_its_length() -> None:
    ramp = Ramp(started_at=START, length_s=86_400)
    parts = [ramp.part(START + timedelta(hours=hours)) for hours in (-1, 0, 6, 24, 100)]
    assert parts == [0, 0, 0.25, 1, 1]
    assert Ramp(started_at=START).part(START) == 1
