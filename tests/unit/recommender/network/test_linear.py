"""Linear layers while serving: the same numbers by another library, for few sizes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recommender.network.linear import LEAST_ROWS, padded_number, through, with_padding


@given(num_rows=st.integers(0, 20_000))
def test_padding_adds_at_most_an_eighth(num_rows: int) -> None:
    assert num_rows <= padded_number(num_rows) <= num_rows * 9 / 8 + 1


def test_few_numbers_of_rows_are_multiplied() -> None:
    """As many programs are compiled and kept; 6,464 rows are 64 users with 100 events."""
    numbers = {padded_number(num_rows) for num_rows in range(LEAST_ROWS, 6_465)}
    assert len(numbers) < 50


@pytest.mark.parametrize("num_rows", [1, LEAST_ROWS, LEAST_ROWS + 1, 700])
def test_a_layer_gives_the_same_while_serving(num_rows: int) -> None:
    torch.manual_seed(0)
    layer, rows_XI = nn.Linear(16, 24), torch.randn(num_rows, 16)
    expected_XO = layer(rows_XI)
    with torch.inference_mode():
        served_YO = through(layer, with_padding(rows_XI))
    assert torch.allclose(served_YO[:num_rows], expected_XO, atol=1e-5)


def test_gradients_pass_while_training() -> None:
    layer, rows_XI = nn.Linear(16, 24), torch.randn(LEAST_ROWS + 1, 16)
    assert with_padding(rows_XI) is rows_XI
    through(layer, with_padding(rows_XI)).sum().backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
