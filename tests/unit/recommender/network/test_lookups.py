"""Lookups in small tables: the same values and gradients, by torch's fast path."""

from __future__ import annotations

import torch
from torch import nn

from recommender.network.towers import look_up_columns


def test_a_training_step_looks_tables_up_by_64_bit_rows() -> None:
    """With 32-bit rows, torch's gradient took a tenth of a step of the demo."""
    table, rows_23 = nn.Embedding(4, 2), torch.tensor([[0, 3, 3], [1, 0, 3]], dtype=torch.int32)
    found_H23 = look_up_columns(table.weight.T, rows_23)
    assert torch.equal(found_H23, table(rows_23).permute(2, 0, 1))
    assert found_H23.grad_fn is not None
    selection = found_H23.grad_fn.next_functions[0][0]
    assert selection._saved_index.dtype == torch.int64  # type: ignore[union-attr]
    found_H23.sum().backward()  # type: ignore[no-untyped-call]
    assert table.weight.grad is not None
    assert table.weight.grad[:, 0].tolist() == [2.0, 1.0, 0.0, 3.0]


def test_lists_keep_the_rows_as_they_are() -> None:
    table, rows_3 = nn.Embedding(4, 2), torch.tensor([0, 3, 3], dtype=torch.int32)
    with torch.no_grad():
        assert torch.equal(look_up_columns(table.weight.T, rows_3), table(rows_3).T)
