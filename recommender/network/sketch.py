"""The project's first design, kept as a baseline: an LSTM, a text vector, one linear layer.

Item embeddings of the history → LSTM → mean over its outputs, concatenated with the mean-pooled
text vector of the candidate item → one linear layer → rating. The layer adds a number of the user
and a number of the item, so every user gets the same order of items, except for seen items, which
are left out. The history's texts, ratings, types and times are not used. Letters are those of
`recommender.network.model`; V = D + T, an item's embedding followed by its text.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from recommender.config import ModelConfig
from recommender.network.tensors import (
    ROWS_AT_ONCE,
    HistoryBatch,
    ItemBlock,
    ItemFacts,
    ItemSide,
    last_of,
)

EMBEDDING_STD = 0.1


class Sketch(nn.Module):
    """The network. `table` holds the item embeddings; without events they keep initial values."""

    rating_mean: Tensor
    rating_std: Tensor

    def __init__(self, config: ModelConfig, num_items: int) -> None:
        super().__init__()
        self.config = config
        self.state_dim = config.dim
        self.register_buffer("rating_mean", torch.zeros(()))
        self.register_buffer("rating_std", torch.ones(()))
        self.lstm = nn.LSTM(config.dim, config.dim, batch_first=True)
        self.head = nn.Linear(config.dim + config.text_dim, 1)
        self.table = nn.Parameter(torch.randn(num_items, config.dim) * EMBEDDING_STD)

    def item_side(self, facts: ItemFacts) -> ItemSide:
        """Return embeddings and text vectors side by side; an item without text has zeros."""
        blocks = ItemBlock.parts(facts, self.table, at_once=ROWS_AT_ONCE)
        return ItemSide.concat_parts(map(self.block_side, blocks), len(self.table))

    def block_side(self, block: ItemBlock) -> ItemSide:
        """Return the embeddings and text vectors of a block of items side by side."""
        facts = block.facts
        text_XT = facts.texts_NT * facts.has_text_N.unsqueeze(1) * math.sqrt(self.config.text_dim)
        return _side(torch.cat([block.table_XE, text_XT], dim=1))

    def text_side(self, texts_MT: Tensor) -> ItemSide:
        """Return free texts as items with a zero embedding, so they add nothing to a history."""
        embedding_MD = texts_MT.new_zeros(len(texts_MT), self.config.dim)
        return _side(torch.cat([embedding_MD, texts_MT * math.sqrt(self.config.text_dim)], dim=1))

    def states(self, side: ItemSide, batch: HistoryBatch) -> Tensor:
        """Return the mean of the LSTM's outputs so far as states; zero before the first event."""
        embedding_BLD = side.vectors_ND[:, : self.config.dim][batch.rows_BL]
        num_users, length = batch.rows_BL.shape
        sums_BSD = embedding_BLD.new_zeros(num_users, 1, self.config.dim)
        if length:
            output_BLD, _ = self.lstm(embedding_BLD)
            sums_BSD = F.pad(output_BLD.cumsum(1), (0, 0, 1, 0))
        count_S1 = torch.arange(length + 1, device=sums_BSD.device).clamp(min=1).unsqueeze(1)
        return sums_BSD / count_S1

    def last_states(self, side: ItemSide, batch: HistoryBatch) -> Tensor:
        """Return the state after each whole history."""
        return last_of(self.states(side, batch), batch.length_B)

    def queries(self, state_XD: Tensor) -> Tensor:
        """Return query_XV, whose product with an item's vector is its logit less the user's part.

        The user's part is the same for all items.
        """
        query_V = F.pad(self.head.weight[0, self.config.dim :], (self.config.dim, 0))
        return (self.rating_std * query_V).expand(len(state_XD), -1)

    def add_to_queries(self, state_XD: Tensor, more_XD: Tensor) -> Tensor:  # noqa: ARG002
        """Return the states as they are: the order of the items is the same for all states."""
        return state_XD

    def logits(self, side: ItemSide, state_XD: Tensor) -> Tensor:
        """Return the predicted rating of every item for every state, by which items are ranked.

        Without ratings it is a prediction of 0 or 1.
        """
        output_XN = self._of_user(state_XD) + self._of_items(side.vectors_ND).T
        return self.rating_mean + self.rating_std * output_XN

    def ratings(self, side: ItemSide, state_XD: Tensor, rows_XK: Tensor) -> Tensor:
        """Return predicted ratings of the given rows, not clamped."""
        output_XK = self._of_user(state_XD) + self._of_items(side.vectors_ND[rows_XK]).squeeze(2)
        return self.rating_mean + self.rating_std * output_XK

    def _of_user(self, state_XD: Tensor) -> Tensor:
        return F.linear(state_XD, self.head.weight[:, : self.config.dim], self.head.bias)

    def _of_items(self, vectors_V: Tensor) -> Tensor:
        """Return the item's part of the linear layer, one number for each vector."""
        return F.linear(vectors_V[..., self.config.dim :], self.head.weight[:, self.config.dim :])


def _side(vectors_NV: Tensor) -> ItemSide:
    zeros_N = vectors_NV.new_zeros(len(vectors_NV))
    return ItemSide(vectors_ND=vectors_NV, bias_N=zeros_N, rating_bias_N=zeros_N)
