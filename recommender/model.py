"""The network: item tower, user towers (transformer, lstm, baseline), ranking head and rating head.

Knows tensors only: no ids, files, texts or requests. `recommender.ranker` uses it to serve, `trainer.loop` to train.

    B  users            L  events of a history    S  states, L + 1: before the first event, after each
    N  items            M  free texts             T  text vector
    D  width            H  attention heads        E  columns of the item table, D + 2
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from recommender.config import ModelConfig
from recommender.towers import LstmTower, TransformerTower

EVENT_TYPES = ("other", "rating", "view", "click", "purchase")
ITEM_SHRINKAGE = 5.0  # an item's mean rating counts as so many ratings of the average item more
USER_SHRINKAGE = 3.0  # the same for a user
SIMILARITY_WEIGHT = 4.0  # baseline: a cosine of 1 is worth a popularity of e⁴


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


class Recommender(nn.Module):
    """All weights. `table` holds per item: id residual (D), ranking bias, rating bias; all start at zero, so an unknown id is its text."""

    rating_mean: Tensor
    rating_std: Tensor

    def __init__(self, config: ModelConfig, num_items: int) -> None:
        super().__init__()
        self.config = config
        width = config.text_dim if config.tower == "baseline" else config.dim
        self.register_buffer("rating_mean", torch.zeros(()))
        self.register_buffer("rating_std", torch.ones(()))
        self.trained = config.tower != "baseline"
        if not self.trained:
            return
        self.table = nn.Parameter(torch.zeros(num_items, width + 2))
        self.adapter = nn.Linear(config.text_dim, width)
        self.popularity_weight = nn.Parameter(torch.ones(()))
        self.type_embedding = nn.Embedding(len(EVENT_TYPES), width)
        self.rating_input = nn.Linear(3, width)
        self.start = nn.Parameter(torch.randn(width) * 0.02)
        self.input_norm = nn.LayerNorm(width)
        self.input_dropout = nn.Dropout(config.dropout)
        self.tower = LstmTower(config) if config.tower == "lstm" else TransformerTower(config)
        self.rating_query = nn.Linear(width, width)
        self.rating_key = nn.Linear(width, width)
        self.residual_weight = nn.Parameter(torch.ones(()))
        nn.init.zeros_(self.rating_query.weight)  # the rating head starts as the bias model and has only to improve on it
        nn.init.zeros_(self.rating_query.bias)
        nn.init.normal_(self.type_embedding.weight, std=0.02)

    def item_side(self, facts: ItemFacts) -> ItemSide:
        """Return the catalogue's vectors and biases. An item without text is its residual alone."""
        popularity_N = torch.log((facts.counts_N + 1.0) / (facts.counts_N.mean() + 1.0))
        rating_bias_N = facts.rating_sum_N / (facts.rating_count_N + ITEM_SHRINKAGE)
        if not self.trained:
            return ItemSide(vectors_ND=facts.texts_NT, bias_N=popularity_N, rating_bias_N=rating_bias_N)
        residual_ND, bias_N, learned_N = self.table[:, :-2], self.table[:, -2], self.table[:, -1]
        text_ND = self.adapter(facts.texts_NT * math.sqrt(self.config.text_dim)) * facts.has_text_N.unsqueeze(1)
        return ItemSide(
            vectors_ND=text_ND + residual_ND,
            bias_N=bias_N + self.popularity_weight * popularity_N,
            rating_bias_N=rating_bias_N + learned_N,
        )

    def text_side(self, texts_MT: Tensor) -> ItemSide:
        """Return free texts as items: an adapted vector, average biases."""
        text_MD = self.adapter(texts_MT * math.sqrt(self.config.text_dim)) if self.trained else texts_MT
        zeros_M = texts_MT.new_zeros(len(texts_MT))
        return ItemSide(vectors_ND=text_MD, bias_N=zeros_M, rating_bias_N=zeros_M)

    def with_texts(self, side: ItemSide, texts_MT: Tensor) -> ItemSide:
        """Append free texts behind the catalogue's rows, for histories that hold both."""
        texts = self.text_side(texts_MT)
        return ItemSide(
            vectors_ND=torch.cat([side.vectors_ND, texts.vectors_ND]),
            bias_N=torch.cat([side.bias_N, texts.bias_N]),
            rating_bias_N=torch.cat([side.rating_bias_N, texts.rating_bias_N]),
        )

    def states(self, side: ItemSide, batch: HistoryBatch) -> tuple[Tensor, Tensor]:
        """Return state_BSD, and residual_BS: how far the user's ratings so far lie above what their items explain, shrunk."""
        known_BL = ~batch.ratings_BL.isnan()
        above_BL = (batch.ratings_BL - self.rating_mean).nan_to_num(0.0)
        off_BL = torch.where(known_BL, above_BL - side.rating_bias_N[batch.rows_BL], 0.0)
        sum_BL = F.pad(off_BL.cumsum(1), (1, 0))
        residual_BS = sum_BL / (F.pad(known_BL.cumsum(1), (1, 0)) + USER_SHRINKAGE)
        vectors_BLD = side.vectors_ND[batch.rows_BL]
        if not self.trained:
            return _running_mean(vectors_BLD), residual_BS
        rating_BL3 = torch.stack([off_BL.detach() / self.rating_std, above_BL / self.rating_std, known_BL.float()], dim=2)
        input_BLD = vectors_BLD + self.type_embedding(batch.types_BL) + self.rating_input(rating_BL3)
        start_B1D = self.start.expand(len(input_BLD), 1, -1)
        input_BSD = self.input_dropout(self.input_norm(torch.cat([start_B1D, input_BLD], dim=1)))
        state_BSD: Tensor = self.tower(input_BSD, F.pad(batch.at_s_BL, (1, 0), value=math.nan))
        return state_BSD, residual_BS

    def logits(self, side: ItemSide, state_XD: Tensor) -> Tensor:
        """Return ranking scores of every item for every state: one matrix product."""
        scale = 1.0 / math.sqrt(self.config.dim) if self.trained else SIMILARITY_WEIGHT
        return (state_XD * scale) @ side.vectors_ND.T + side.bias_N

    def ratings(self, side: ItemSide, state_XD: Tensor, residual_X: Tensor, rows_XK: Tensor) -> Tensor:
        """Return predicted ratings of the given rows, not clamped."""
        bias_XK = self.rating_mean + side.rating_bias_N[rows_XK]
        if not self.trained:
            return bias_XK + residual_X.unsqueeze(1)
        query_XD = self.rating_query(state_XD)
        key_XKD = self.rating_key(side.vectors_ND[rows_XK])
        match_XK = (query_XD.unsqueeze(1) * key_XKD).sum(2) / math.sqrt(self.config.dim)
        rating_XK: Tensor = bias_XK + self.residual_weight * residual_X.unsqueeze(1) + match_XK * self.rating_std
        return rating_XK


def _running_mean(vectors_BLD: Tensor) -> Tensor:
    """Return the unit mean of the events so far; zero before the first."""
    sums_BSD = F.pad(vectors_BLD.cumsum(1), (0, 0, 1, 0))
    return F.normalize(sums_BSD, dim=2)
