"""The model without training: popularity, similarity of texts, and biases of ratings. Published before anything has been learned.

Letters as in `recommender.model`; a vector is a text vector here, D = T.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from recommender.biases import item_rating_biases, log_popularity, ratings_above_items, user_residuals
from recommender.config import ModelConfig
from recommender.tensors import HistoryBatch, ItemFacts, ItemSide

SIMILARITY_WEIGHT = 4.0  # a cosine of 1 is worth a popularity of e⁴


class Baseline(nn.Module):
    """No weights but the mean and spread of the ratings."""

    rating_mean: Tensor
    rating_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.state_dim = config.text_dim
        self.register_buffer("rating_mean", torch.zeros(()))
        self.register_buffer("rating_std", torch.ones(()))

    def item_side(self, facts: ItemFacts) -> ItemSide:
        """Return text vectors, popularity, and the items' rating biases."""
        return ItemSide(vectors_ND=facts.texts_NT, bias_N=log_popularity(facts), rating_bias_N=item_rating_biases(facts))

    def text_side(self, texts_MT: Tensor) -> ItemSide:
        """Return free texts as items of average popularity and rating."""
        zeros_M = texts_MT.new_zeros(len(texts_MT))
        return ItemSide(vectors_ND=texts_MT, bias_N=zeros_M, rating_bias_N=zeros_M)

    def states(self, side: ItemSide, batch: HistoryBatch) -> tuple[Tensor, Tensor]:
        """Return state_BSD, the unit mean of the texts so far (zero before the first), and residual_BS."""
        sums_BSD = F.pad(side.vectors_ND[batch.rows_BL].cumsum(1), (0, 0, 1, 0))
        residual_BS = user_residuals(ratings_above_items(side, batch, self.rating_mean), batch)
        return F.normalize(sums_BSD, dim=2), residual_BS

    def logits(self, side: ItemSide, state_XD: Tensor) -> Tensor:
        """Return popularity plus similarity of every item for every state."""
        return (state_XD * SIMILARITY_WEIGHT) @ side.vectors_ND.T + side.bias_N

    def ratings(self, side: ItemSide, state_XD: Tensor, residual_X: Tensor, rows_XK: Tensor) -> Tensor:
        """Return mean, item bias and user bias of the given rows, not clamped."""
        del state_XD
        return self.rating_mean + side.rating_bias_N[rows_XK] + residual_X.unsqueeze(1)
