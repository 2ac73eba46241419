"""The default network: item tower, user tower, ranking head and rating head.

Letters are those of `recommender.network.model`; F factors of a taste.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from recommender.config import FACTS, ModelConfig, Slot
from recommender.network.biases import (
    USER_SHRINKAGE,
    RatingsRead,
    item_rating_biases,
    last_tastes,
    read_ratings,
    tastes,
)
from recommender.network.dropout import history_dropout
from recommender.network.links import Links
from recommender.network.slots import SlotAdapter, unit_variance
from recommender.network.tensors import (
    EVENT_TYPES,
    ROWS_AT_ONCE,
    HistoryBatch,
    ItemBlock,
    ItemFacts,
    ItemSide,
)
from recommender.network.towers import LstmTower, TransformerTower

FACTOR_RIDGE = 10.0  # initial ridge of a taste's factors; docs/log.md


class TwoTowers(nn.Module):
    """The network. `table` has an ID residual (D), ranking bias and rating bias for each item.

    All of them start at zero, so an item without events is represented by its text, and by the
    modalities that have a slot. `terms` are the entities and relations of facts.
    """

    rating_mean: Tensor
    rating_std: Tensor
    terms: nn.Parameter | None

    def __init__(
        self,
        config: ModelConfig,
        num_items: int,
        slots: Sequence[Slot] = (),
        *,
        num_terms: int = 0,
    ) -> None:
        super().__init__()
        self.config = config
        width = config.dim
        # the tower's output, then the user's taste, whose last factor is the bias
        self.state_dim = width + config.rating_factors + 1
        self.register_buffer("rating_mean", torch.zeros(()))
        self.register_buffer("rating_std", torch.ones(()))
        self.table = nn.Parameter(torch.zeros(num_items, width + 2))
        self.adapter = nn.Linear(config.text_dim, width)
        self.popularity_weight = nn.Parameter(torch.ones(()))
        # the popularity expected from an item's text, which a new item gets
        self.expected_log_count = nn.Linear(config.text_dim, 1)
        self.type_embedding = nn.Embedding(len(EVENT_TYPES), width)
        self.rating_input = nn.Linear(3, width)
        self.start = nn.Parameter(torch.randn(width) * 0.02)
        self.input_norm = nn.LayerNorm(width)
        self.tower = LstmTower(config) if config.tower == "lstm" else TransformerTower(config)
        self.rating_key = nn.Linear(width, config.rating_factors)
        self.taste_prior = nn.Linear(width, config.rating_factors + 1)
        self.log_ridge_F = nn.Parameter(
            torch.tensor([*[FACTOR_RIDGE] * config.rating_factors, USER_SHRINKAGE]).log()
        )
        nn.init.zeros_(self.taste_prior.weight)
        nn.init.zeros_(self.taste_prior.bias)
        nn.init.zeros_(self.expected_log_count.weight)
        nn.init.zeros_(self.expected_log_count.bias)
        nn.init.normal_(self.type_embedding.weight, std=0.02)
        # after all others, whose first weights do not depend on the slots
        self.slot_list = tuple(slots)
        self.slots = nn.ModuleDict({slot.name: SlotAdapter(slot, width) for slot in slots})
        terms_YW = None
        if (facts_slot := next((slot for slot in slots if slot.name == FACTS), None)) is not None:
            terms_YW = nn.Parameter(torch.zeros(num_terms, facts_slot.width))
        self.register_parameter("terms", terms_YW)

    @property
    def num_terms(self) -> int:
        """The number of rows of the table of terms."""
        return len(self.terms) if self.terms is not None else 0

    def item_side(self, facts: ItemFacts) -> ItemSide:
        """Return the catalogue's vectors and biases. An item without text is its residual alone."""
        terms_YW = self.term_vectors(facts.neighbours)
        blocks = ItemBlock.parts(facts, self.table, terms_YW, at_once=ROWS_AT_ONCE)
        return ItemSide.concat_parts(map(self.block_side, blocks), len(self.table))

    def block_side(self, block: ItemBlock) -> ItemSide:
        """Return the vectors and biases of a block of items.

        A brand-new item has no ID residual, no ranking bias and no count.
        """
        facts, table_XE, counts_X = block.facts, block.table_XE, block.facts.counts_N
        residual_XD, bias_X, learned_X = table_XE[:, :-2], table_XE[:, -2], table_XE[:, -1]
        if block.known_X is not None:
            residual_XD = residual_XD * block.known_X.unsqueeze(1)
            bias_X, counts_X = bias_X * block.known_X, counts_X * block.known_X
        text_XT = facts.texts_NT * math.sqrt(self.config.text_dim)
        has_text_X = facts.has_text_N
        if block.kept_XS is not None:
            text_XT = text_XT * block.kept_XS[:, :1]
            has_text_X = has_text_X * block.kept_XS[:, 0]
        text_XD = self.adapter(text_XT) * has_text_X.unsqueeze(1)
        expected_X = self.expected_log_count(text_XT).squeeze(1)
        vectors_XD = text_XD + residual_XD
        for own_XD, log_count_X in self._slot_outputs(block):
            vectors_XD, expected_X = vectors_XD + own_XD, expected_X + log_count_X
        popularity_X = torch.logaddexp(counts_X.log(), expected_X) - (block.mean_count + 1.0).log()
        return ItemSide(
            vectors_ND=vectors_XD,
            bias_N=bias_X + self.popularity_weight * popularity_X,
            rating_bias_N=item_rating_biases(facts) + learned_X,
        )

    def term_vectors(
        self, neighbours: Links | None, rows_YW: Tensor | None = None
    ) -> Tensor | None:
        """Return the terms as the slot of facts reads them; None without that slot.

        `neighbours` are the facts of the terms. `rows_YW` stand for the table, as in training.
        """
        rows_YW = self.terms if rows_YW is None else rows_YW
        if rows_YW is None or neighbours is None:
            return rows_YW
        hop = self._slot(FACTS).hop
        return rows_YW if hop is None else rows_YW + hop * neighbours.means(rows_YW)

    def _slot_outputs(self, block: ItemBlock) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what each slot adds to the vectors, and to the expected log counts."""
        column = 0
        for number, slot in enumerate(self.slot_list, start=1):
            if slot.name == FACTS:
                own_XV = self._fact_vectors(block)
                own_XV = unit_variance(own_XV) if slot.scales else own_XV
            else:
                assert block.facts.modalities_NV is not None
                own_XV = block.facts.modalities_NV[:, column : column + slot.width]
                own_XV = own_XV * math.sqrt(slot.width)
                column += slot.width
            if block.kept_XS is not None:
                own_XV = own_XV * block.kept_XS[:, number : number + 1]
            yield self._slot(slot.name)(own_XV)

    def _slot(self, name: str) -> SlotAdapter:
        return cast(SlotAdapter, self.slots[name])

    def _fact_vectors(self, block: ItemBlock) -> Tensor:
        terms_YW = block.terms_YW
        if terms_YW is None:
            terms_YW = self.term_vectors(block.facts.neighbours)
        assert terms_YW is not None
        assert block.facts.links is not None
        return block.facts.links.means(terms_YW)

    @torch.no_grad()
    def expect(self, facts: ItemFacts) -> None:
        """Set the expected log count to the mean for all texts.

        Training learns how texts differ.
        """
        if len(facts.counts_N):
            self.expected_log_count.bias.fill_(float(facts.counts_N.clamp(min=0.5).log().mean()))

    def text_side(self, texts_MT: Tensor) -> ItemSide:
        """Return free texts as items with an adapted vector and average biases."""
        zeros_M = texts_MT.new_zeros(len(texts_MT))
        return ItemSide(
            vectors_ND=self.adapter(texts_MT * math.sqrt(self.config.text_dim)),
            bias_N=zeros_M,
            rating_bias_N=zeros_M,
        )

    def states(self, side: ItemSide, batch: HistoryBatch) -> Tensor:
        """Return the states: the tower's output (D), then the user's taste (F).

        The prior of the taste is predicted from the tower's output; ratings correct it.
        """
        ratings = read_ratings(side, batch, self.rating_mean)
        vectors_BLD = F.embedding(batch.rows_BL, side.vectors_ND)
        dropout = history_dropout(batch, self.config.dropout)
        input_BSD = dropout(self._input(vectors_BLD, ratings, batch))
        read_BSD: Tensor = self.tower(input_BSD, _times(batch), dropout)
        taste_BSF = tastes(
            self._rating_keys(vectors_BLD),
            ratings,
            self.log_ridge_F.exp(),
            self.taste_prior(read_BSD),
        )
        return torch.cat([read_BSD, taste_BSF], dim=2)

    def last_states(self, side: ItemSide, batch: HistoryBatch) -> Tensor:
        """Return the state after each whole history: the last of `states`, up to rounding."""
        ratings = read_ratings(side, batch, self.rating_mean)
        vectors_BLD = F.embedding(batch.rows_BL, side.vectors_ND)
        read_BD: Tensor = self.tower.last(
            self._input(vectors_BLD, ratings, batch), _times(batch), batch.length_B
        )
        taste_BF = last_tastes(
            self._rating_keys(vectors_BLD),
            ratings,
            self.log_ridge_F.exp(),
            self.taste_prior(read_BD),
        )
        return torch.cat([read_BD, taste_BF], dim=1)

    def _input(self, vectors_BLD: Tensor, ratings: RatingsRead, batch: HistoryBatch) -> Tensor:
        """Return the tower's input_BSD: a learned start, then each event."""
        rating_BL3 = torch.stack(
            [
                ratings.off_BL.detach() / self.rating_std,
                ratings.above_BL / self.rating_std,
                ratings.known_BL.float(),
            ],
            dim=2,
        )
        input_BLD = (
            vectors_BLD + self.type_embedding(batch.types_BL) + self.rating_input(rating_BL3)
        )
        start_B1D = self.start.expand(len(input_BLD), 1, -1)
        input_BSD: Tensor = self.input_norm(torch.cat([start_B1D, input_BLD], dim=1))
        return input_BSD

    def queries(self, state_XD: Tensor) -> Tensor:
        """Return query_XD, whose product with an item's vector, plus its bias, is its logit."""
        return state_XD[:, : self.config.dim] * (1.0 / math.sqrt(self.config.dim))

    def add_to_queries(self, state_XD: Tensor, more_XD: Tensor) -> Tensor:
        """Return states whose queries are those of `state_XD` plus `more_XD`."""
        more_XD = more_XD * math.sqrt(self.config.dim)
        return torch.cat(
            [state_XD[:, : self.config.dim] + more_XD, state_XD[:, self.config.dim :]], dim=1
        )

    def logits(self, side: ItemSide, state_XD: Tensor) -> Tensor:
        """Return ranking scores of every item for every state: one matrix product."""
        return torch.addmm(side.bias_N, self.queries(state_XD), side.vectors_ND.T)

    def ratings(self, side: ItemSide, state_XD: Tensor, rows_XK: Tensor) -> Tensor:
        """Return predicted ratings of the given rows, not clamped.

        A rating is the mean plus the item's bias plus the product of taste and item key.
        """
        taste_X1F = state_XD[:, self.config.dim :].unsqueeze(1)
        match_XK = (taste_X1F * self._rating_keys(F.embedding(rows_XK, side.vectors_ND))).sum(2)
        rating_XK: Tensor = self.rating_mean + side.rating_bias_N[rows_XK] + match_XK
        return rating_XK

    def _rating_keys(self, vectors_XD: Tensor) -> Tensor:
        """Return the factors that a taste is multiplied by: the keys, and 1 for the user's bias."""
        return F.pad(self.rating_key(vectors_XD), (0, 1), value=1.0)


def _times(batch: HistoryBatch) -> Tensor:
    """Return at_s_BS, the time of each state; that of the first is unknown."""
    return F.pad(batch.at_s_BL, (1, 0), value=math.nan)
