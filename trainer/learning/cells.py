"""The cells of a large catalogue, by k-means over its vectors.

N items    X items drawn    C cells    D width
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recommender.retrieval.cell_scan import means_of

DRAWN_PER_CELL = 64  # items of which the means are found; more take longer and change little
ROUNDS = 10
COMPARED_AT_ONCE = 8_192  # vectors with all means; 34 MB at a million items


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
    return _nearest(vectors_ND, mean_CD)


def _nearest(vectors_XD: Tensor, mean_CD: Tensor) -> Tensor:
    """Return the cell_X whose mean is nearest to each vector."""
    half_square_C = mean_CD.square().sum(1) / 2
    cell_X = torch.empty(len(vectors_XD), dtype=torch.int16)
    for start in range(0, len(vectors_XD), COMPARED_AT_ONCE):
        rows = slice(start, start + COMPARED_AT_ONCE)
        products_XC = torch.addmm(-half_square_C, vectors_XD[rows].float(), mean_CD.T)
        cell_X[rows] = products_XC.argmax(1).short()
    return cell_X
