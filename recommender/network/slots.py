"""A slot of the item tower: what a modality adds to an item's vector.

Letters are those of `recommender.network.model`; V width of the modality's vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recommender.config import Slot

LEAST_VARIANCE = 0.01  # not searched


class SlotAdapter(nn.Module):
    """A small adapter and a gate. Nothing here has a bias, so zeros, for no vector, add nothing.

    The gate is zero at first: training begins with the network of texts and ids. It opens by what
    the histories say of the items. Where texts say nothing, they say nothing either, so gates learn
    faster than other weights (`trainer.learning.optimizer`). `hop` is how much of the facts of
    entities is added to them.
    """

    def __init__(self, slot: Slot, dim: int) -> None:
        super().__init__()
        self.width = slot.width
        self.adapter = nn.Linear(slot.width, dim, bias=False)
        self.gate = nn.Parameter(torch.zeros(()))
        # the popularity expected from the modality, which a new item gets
        self.expected_log_count = nn.Linear(slot.width, 1, bias=False)
        nn.init.zeros_(self.expected_log_count.weight)
        self.hop: Tensor | None = nn.Parameter(torch.zeros(())) if slot.hops else None

    def forward(self, own_XV: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the vectors add to the items' vectors, and to their expected log counts."""
        return self.gate * self.adapter(own_XV), self.expected_log_count(own_XV).squeeze(1)


def unit_variance(own_XV: Tensor) -> Tensor:
    """Return each vector with the length √V, or a shorter one where it is almost zero.

    A new item has facts of which nothing was learned yet. They would make the mean of its facts
    shorter than that of known items, and its scores nearer to the average (docs/log.md).
    """
    return own_XV * (own_XV.square().mean(1, keepdim=True) + LEAST_VARIANCE).rsqrt()
