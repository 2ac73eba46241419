"""The inputs of a network and what passes between its parts: item facts, items, histories.

Letters are those of `recommender.model`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EVENT_TYPES = ("other", "rating", "view", "click", "purchase")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """What is known about the items without training: unit text vectors and counts so far."""

    texts_NT: Tensor
    has_text_N: Tensor
    counts_N: Tensor
    rating_sum_N: Tensor  # of (rating − mean rating)
    rating_count_N: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSide:
    """The items as the heads see them. Free texts may follow the catalogue's rows."""

    vectors_ND: Tensor
    bias_N: Tensor
    rating_bias_N: Tensor

    def concat(self, more: ItemSide) -> ItemSide:
        """Return these rows followed by others, for histories that contain both."""
        return ItemSide(
            vectors_ND=torch.cat([self.vectors_ND, more.vectors_ND]),
            bias_N=torch.cat([self.bias_N, more.bias_N]),
            rating_bias_N=torch.cat([self.rating_bias_N, more.rating_bias_N]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryBatch:
    """Histories padded on the right. `rows_BL` are rows of an ItemSide.

    Unknown ratings and times are NaN.
    """

    rows_BL: Tensor
    types_BL: Tensor
    ratings_BL: Tensor
    at_s_BL: Tensor  # float64
    length_B: Tensor


def event_type_code(name: str) -> int:
    """Return the model's number of an event type; an unknown type is `other`."""
    return EVENT_TYPES.index(name) if name in EVENT_TYPES else 0
