"""Cosines of the items' vectors, and of their texts, with one vector.

N  items                     X  some rows
D  width of a vector         T  width of a text vector
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recommender.arrays.best_rows import Rows
from recommender.network.tensors import ItemFacts
from recommender.ranking.item_rows import ItemRows

MIN_LENGTH = 1e-12
_ROWS_AT_ONCE = 4_096  # of text vectors: as floats they stay in a processor's cache


def vector_lengths(items: ItemRows) -> Tensor:
    """Return the length_N of the items' vectors, to divide by."""
    parts = [side.vectors_ND.norm(dim=1) for side in items.parts()]
    return torch.cat(parts).clamp(min=MIN_LENGTH)


def cosines_at(items: ItemRows, rows: Rows, unit_D: Tensor) -> Tensor:
    """Return the exact cosine_X of some rows, ascending, with a unit vector."""
    near_XD = items.at(torch.from_numpy(rows)).vectors_ND
    cosine_X: Tensor = near_XD @ unit_D / near_XD.norm(dim=1).clamp(min=MIN_LENGTH)
    return cosine_X


def text_cosines(
    facts: ItemFacts, *, row: int | None = None, text_T: Tensor | None = None
) -> Tensor:
    """Return the cosine_N of the items' texts with a row's or a free text.

    It is NaN for items without a text, and for all if the row has none.
    """
    if text_T is None:
        assert row is not None
        text_T = facts.at(torch.tensor([row])).texts_NT[0]
        text_T = text_T if facts.has_text_N[row] else torch.full_like(text_T, math.nan)
    unit_T = torch.nn.functional.normalize(text_T, dim=0)
    cosine_N = torch.empty(len(facts.texts_NT))
    for start in range(0, len(cosine_N), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        text_XT = facts.texts_NT[rows].float()
        cosine_N[rows] = text_XT @ unit_T / text_XT.norm(dim=1).clamp(min=MIN_LENGTH)
    return cosine_N.masked_fill(~facts.has_text_N.bool(), math.nan)
