"""The model before any training: popularity, text similarity and rating biases.

Letters are those of `recommender.network.model`. A vector is a text vector here, so D = T.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from recommender.config import ModelConfig
from recommender.network.biases import (
    USER_SHRINKAGE,
    item_rating_biases,
    log_popularity,
    read_ratings,
    tastes,
)
from recommender.network.tensors import HistoryBatch, ItemBlock, ItemFacts, ItemSide, last_of

SIMILARITY_WEIGHT = 4.0  # a cosine of 1 is worth a popularity of e⁴


class Baseline(nn.Module):
    """A model whose only parameters are the mean and spread of the ratings."""

    rating_mean: Tensor
    rating_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.state_dim = config.text_dim + 1  # the texts so far, and the user's bias
        self.register_buffer("rating_mean", torch.zeros(()))
        self.register_buffer("rating_std", torch.ones(()))

    def item_side(self, facts: ItemFacts) -> ItemSide:
        """Return text vectors, popularity, and the items' rating biases."""
        return self.block_side(ItemBlock.whole(facts, facts.texts_NT[:, :0]))

    def block_side(self, block: ItemBlock) -> ItemSide:
        """Return the vectors and biases of a block of items, whose table has no columns."""
        return ItemSide(
            vectors_ND=block.facts.texts_NT.float(),
            bias_N=log_popularity(block),
            rating_bias_N=item_rating_biases(block.facts),
        )

    def text_side(self, texts_MT: Tensor) -> ItemSide:
        """Return free texts as items of average popularity and rating."""
        zeros_M = texts_MT.new_zeros(len(texts_MT))
        return ItemSide(vectors_ND=texts_MT, bias_N=zeros_M, rating_bias_N=zeros_M)

    def states(self, side: ItemSide, batch: HistoryBatch) -> Tensor:
        """Return the unit mean of the texts so far (zero before the first) and the user's bias."""
        sums_BSD = F.pad(side.vectors_ND[batch.rows_BL].cumsum(1), (0, 0, 1, 0))
        ratings = read_ratings(side, batch, self.rating_mean)
        ones_BL1 = torch.ones_like(ratings.off_BL).unsqueeze(2)
        bias_BS1 = tastes(ones_BL1, ratings, ones_BL1.new_tensor([USER_SHRINKAGE]))
        return torch.cat([F.normalize(sums_BSD, dim=2), bias_BS1], dim=2)

    def last_states(self, side: ItemSide, batch: HistoryBatch) -> Tensor:
        """Return the state after each whole history."""
        return last_of(self.states(side, batch), batch.length_B)

    def queries(self, state_XD: Tensor) -> Tensor:
        """Return query_XD, whose product with an item's vector, plus its bias, is its logit."""
        return state_XD[:, :-1] * SIMILARITY_WEIGHT

    def add_to_queries(self, state_XD: Tensor, more_XD: Tensor) -> Tensor:
        """Return states whose queries are those of `state_XD` plus `more_XD`."""
        text_XD = state_XD[:, :-1] + more_XD / SIMILARITY_WEIGHT
        return torch.cat([text_XD, state_XD[:, -1:]], dim=1)

    def logits(self, side: ItemSide, state_XD: Tensor) -> Tensor:
        """Return popularity plus similarity of every item for every state."""
        return self.queries(state_XD) @ side.vectors_ND.T + side.bias_N

    def ratings(self, side: ItemSide, state_XD: Tensor, rows_XK: Tensor) -> Tensor:
        """Return the mean plus item bias plus user bias of the given rows, not clamped."""
        return self.rating_mean + side.rating_bias_N[rows_XK] + state_XD[:, -1:]
