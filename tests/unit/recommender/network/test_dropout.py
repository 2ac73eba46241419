"""Dropout of histories: the right share, and the same in any division of a batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recommender.network.dropout import HistoryDropout

KEYS = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=6)


def ones_after_dropout(
    keys: list[int], *, num_states: int, width: int, num_calls: int = 1
) -> Tensor:
    """Return value_BSX of ones after the last of some calls."""
    dropout = HistoryDropout(
        torch.tensor(keys, dtype=torch.int32), num_states=num_states, rate=0.25
    )
    ones_BSX = torch.ones(len(keys), num_states, width)
    for _ in range(num_calls - 1):
        dropout(ones_BSX)
    return dropout(ones_BSX)


@given(keys=KEYS, num_states=st.integers(1, 9), width=st.integers(1, 9))
def test_no_history_depends_on_the_others(keys: list[int], num_states: int, width: int) -> None:
    """Nor on how far it is padded."""
    for num_calls in (1, 3):
        together_BSX = ones_after_dropout(keys, num_states=9, width=width, num_calls=num_calls)
        for number, key in enumerate(keys):
            alone_SX = ones_after_dropout(
                [key], num_states=num_states, width=width, num_calls=num_calls
            )[0]
            assert torch.equal(alone_SX, together_BSX[number, :num_states])


def test_a_share_is_dropped_and_the_mean_is_kept() -> None:
    value_BSX = ones_after_dropout(list(range(16)), num_states=100, width=64)
    assert float((value_BSX == 0).float().mean()) == pytest.approx(0.25, abs=0.005)
    assert float(value_BSX.mean()) == pytest.approx(1.0, abs=0.01)


def test_draws_of_places_keys_and_calls_are_independent() -> None:
    first_BN = ones_after_dropout([1, 2, 3, 4], num_states=200, width=64).flatten(1) - 1.0
    later_BN = (
        ones_after_dropout([1, 2, 3, 4], num_states=200, width=64, num_calls=2).flatten(1) - 1.0
    )
    pairs = [
        (first_BN, later_BN),
        (first_BN[0], first_BN[1]),
        (first_BN[:, 1:], first_BN[:, :-1]),
        (first_BN[:, 64:], first_BN[:, :-64]),
    ]
    variance = float(first_BN.var())
    for one, other in pairs:
        assert abs(float((one * other).mean())) < 0.04 * variance


def test_rows_of_padding_are_dropped_without_a_gradient() -> None:
    dropout = HistoryDropout(torch.tensor([7], dtype=torch.int32), num_states=3, rate=0.5)
    value_YX = torch.ones(8, 4, requires_grad=True)
    dropout(value_YX).sum().backward()  # type: ignore[no-untyped-call]
    assert value_YX.grad is not None
    assert not value_YX.grad[3:].any()
    assert set(value_YX.grad[:3].flatten().tolist()) == {0.0, 2.0}
