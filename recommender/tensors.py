"""What goes into a network and what passes between its parts: facts about items, the items as the heads see them, histories.

Knows shapes only; no weights. Letters as in `recommender.model`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EVENT_TYPES = ("other", "rating", "view", "click", "purchase")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """What is known about the items without learning: whitened unit text vectors, interactions and ratings counted so far."""

    texts_NT: Tensor
    has_text_N: Tensor
    counts_N: Tensor
    rating_sum_N: Tensor  # of (rating − mean rating)
    rating_count_N: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSide:
    """The items as the heads see them. Free texts may be appended behind the catalogue's rows."""

    vectors_ND: Tensor
    bias_N: Tensor
    rating_bias_N: Tensor

    def followed_by(self, more: ItemSide) -> ItemSide:
        """Return these rows with others behind them, for histories that hold both."""
        return ItemSide(
            vectors_ND=torch.cat([self.vectors_ND, more.vectors_ND]),
            bias_N=torch.cat([self.bias_N, more.bias_N]),
            rating_bias_N=torch.cat([self.rating_bias_N, more.rating_bias_N]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryBatch:
    """Histories, padded on the right. Unknown ratings and times are NaN; `rows_BL` points into an ItemSide."""

    rows_BL: Tensor
    types_BL: Tensor
    ratings_BL: Tensor
    at_s_BL: Tensor  # float64
    length_B: Tensor


def event_type_code(name: str) -> int:
    """Return the model's number for an event type; one it was not made for is `other`."""
    return EVENT_TYPES.index(name) if name in EVENT_TYPES else 0
