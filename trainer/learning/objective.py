"""What a network is trained for: its losses, and the items that a step needs for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from recommender.network.model import ItemBlock, Sketch, Trained, TwoTowers
from trainer.config import PolicyGradientConfig, TrainConfig
from trainer.data.sampling import TrainBatch
from trainer.learning.losses import LossSums, batch_losses
from trainer.learning.negatives import Negatives, NegativeSampler
from trainer.learning.policy_gradient import slate_probabilities
from trainer.learning.sketch_losses import sketch_losses


class Objective(Protocol):
    """The losses of one kind of network on one catalogue."""

    def negatives(self, generator: torch.Generator) -> Negatives | None:
        """Draw the negatives of a step; None when the step computes the whole catalogue."""

    def sums(
        self, block: ItemBlock, rows_X: Tensor, batch: TrainBatch, negatives: Negatives | None
    ) -> LossSums:
        """Return the losses of a batch; `block` has the rows `rows_X` of the catalogue."""

    def ratios(
        self, block: ItemBlock, rows_X: Tensor, batch: TrainBatch, negatives: Negatives | None
    ) -> Tensor:
        """Return ratio_Q of the choices in a batch's slates: probability now over propensity.

        They are empty for a network that does not learn from slates.
        """


def objective_of(model: Trained, counts_N: Tensor, config: TrainConfig) -> Objective:
    """Return the objective of a network on a catalogue with these counts."""
    if isinstance(model, Sketch):
        return _SketchObjective(model)
    is_large = len(counts_N) >= config.full_softmax_items
    sampler = NegativeSampler(counts_N, config.num_negatives) if is_large else None
    return _TowersObjective(model, sampler, num_items=len(counts_N), policy=config.policy_gradient)


@dataclass(frozen=True, slots=True)
class _SketchObjective:
    model: Sketch

    def negatives(self, generator: torch.Generator) -> Negatives | None:  # noqa: ARG002
        return None

    def sums(
        self,
        block: ItemBlock,
        rows_X: Tensor,  # noqa: ARG002
        batch: TrainBatch,
        negatives: Negatives | None,  # noqa: ARG002
    ) -> LossSums:
        return sketch_losses(self.model, block, batch)

    def ratios(
        self,
        block: ItemBlock,
        rows_X: Tensor,  # noqa: ARG002
        batch: TrainBatch,  # noqa: ARG002
        negatives: Negatives | None,  # noqa: ARG002
    ) -> Tensor:
        return block.table_XE.new_zeros(0)


@dataclass(frozen=True, slots=True)
class _TowersObjective:
    model: TwoTowers
    sampler: NegativeSampler | None
    num_items: int
    policy: PolicyGradientConfig

    def negatives(self, generator: torch.Generator) -> Negatives | None:
        return None if self.sampler is None else self.sampler.draw(generator)

    def sums(
        self, block: ItemBlock, rows_X: Tensor, batch: TrainBatch, negatives: Negatives | None
    ) -> LossSums:
        if negatives is not None:
            batch, negatives = batch.at_places(rows_X), negatives.at_places(rows_X)
        return batch_losses(
            self.model, block, batch, negatives, num_items=self.num_items, policy=self.policy
        )

    def ratios(
        self, block: ItemBlock, rows_X: Tensor, batch: TrainBatch, negatives: Negatives | None
    ) -> Tensor:
        if negatives is not None:
            batch, negatives = batch.at_places(rows_X), negatives.at_places(rows_X)
        if batch.slates is None:
            return block.table_XE.new_zeros(0)
        side = self.model.block_side(block)
        state_BSD = self.model.states(side, batch.histories)
        probabilities = slate_probabilities(self.model, side, state_BSD, batch.slates, negatives)
        return probabilities.ratios(batch.slates, self.policy)
