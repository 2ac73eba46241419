"""The cells of a large catalogue, by k-means over its vectors.

N items    X items drawn    C cells    D width
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recommender.cell_scan import ROWS_AT_ONCE, means_of

DRAWN_PER_CELL = 64  # items of which the means are found; more take longer and change little
ROUNDS = 10


def find_cells(vectors_ND: Tensor) -> Tensor:
    """Return the cell of each item, as int16: about √N cells of similar vectors.

    The same vectors give the same cells.
    """
    num_items = len(vectors_ND)
    num_cells = 2 ** round(math.log2(max(1, num_items)) / 2)
    draws = torch.Generator().manual_seed(0)
    drawn_X = torch.randperm(num_items, generator=draws)[: DRAWN_PER_CELL * num_cells]
    drawn_XD = vectors_ND[drawn_X].float()
    mean_CD = drawn_XD[:num_cells]
    for _ in range(ROUNDS):
        cell_X = _nearest(drawn_XD, mean_CD)
        size_C = torch.bincount(cell_X, minlength=num_cells)
        found_CD = means_of(drawn_XD, cell_X, num_cells=num_cells)
        # An empty cell keeps its mean.
        mean_CD = torch.where(size_C.unsqueeze(1) > 0, found_CD, mean_CD)
    return torch.cat(
        [
            _nearest(vectors_ND[start : start + ROWS_AT_ONCE].float(), mean_CD).short()
            for start in range(0, num_items, ROWS_AT_ONCE)
        ]
    )


def _nearest(vectors_XD: Tensor, mean_CD: Tensor) -> Tensor:
    """Return the cell whose mean is nearest to each vector."""
    half_square_C = mean_CD.square().sum(1) / 2
    return torch.addmm(-half_square_C, vectors_XD, mean_CD.T).argmax(1)
