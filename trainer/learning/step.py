"""One training step: a global batch, the items it computes, its gradients, the new weights.

A step computes all items of a small catalogue. Of a large one it computes only the rows that its
batch names and the negatives, so that its time does not grow with the catalogue. The result is the
same on one rank or several. Letters as in `recommender.network.model`; X rows of the step's block.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from recommender.network.model import ItemBlock
from recommender.network.tensors import rows_at
from trainer.config import TrainConfig
from trainer.data.sampling import Sequences, TrainBatch, Window, Withheld, assemble
from trainer.learning.losses import LossSums, counts, learning_rows
from trainer.learning.negatives import Negatives
from trainer.learning.objective import objective_of
from trainer.learning.trainee import Trainee
from trainer.machine import distributed
from trainer.machine.device import to_device

# The weights and limits below are not tuned, except the share.
SHOWN_WEIGHT = 0.1  # an impression says less than a choice
MAX_GRADIENT_NORM = 5.0
# The share of items that a step treats as brand new. Without it the ranking of new items is a sixth
# worse; see docs/log.md.
FORGOTTEN_SHARE = 0.05
# Deferred steps need a few hundred numbers a row: 2 GiB for a million rows at once, and four times
# the time of small parts.
SETTLED_AT_ONCE = 8_192


class Step:
    """Takes the steps of one training."""

    def __init__(self, trainee: Trainee, sequences: Sequences, config: TrainConfig) -> None:
        facts = trainee.source.last_facts
        self._trainee = trainee
        self._sequences = sequences
        self._rating_weight = config.rating_weight
        self._device = trainee.model.table.device
        self._learning_N = learning_rows(facts, sequences)
        self._mean_count = facts.counts_N.mean()
        self._all_N = torch.arange(len(facts.counts_N), device=self._device)
        self._objective = objective_of(trainee.model, facts.counts_N, config)

    def run(self, group: list[Window], withheld: list[Withheld], *, lr: float) -> float:
        """Take one step on a global batch, reading this rank's share; return the batch's loss."""
        trainee, batch = self._trainee, self._share(group, withheld)
        totals_3 = torch.zeros(3, device=self._device) if batch is None else counts(batch)
        distributed.add_up([totals_3])
        # The same on all ranks, no matter which other random numbers were drawn.
        seed = group[0].first * 1_000_003 + group[-1].stop
        generator = torch.Generator().manual_seed(seed)
        negatives = self._objective.negatives(generator)
        rows_X = self._rows(batch, negatives)
        learning_X = rows_at(self._learning_N, rows_X)
        trainee.optimizer.catch_up(rows_X[learning_X])
        block = self._block(rows_X, batch, generator, seed)
        loss = torch.zeros((), device=self._device)
        if batch is not None:
            sums = self._objective.sums(block, rows_X, batch, negatives)
            loss = self._loss(sums, totals_3.clamp(min=1.0))
            loss.backward()  # type: ignore[no-untyped-call]
        total = loss.detach().clone()
        table_XE = block.table_XE
        if table_XE.grad is None:
            table_XE.grad = torch.zeros_like(table_XE)
        gradients = [table_XE.grad, *trainee.optimizer.gradients(), *trainee.source.gradients()]
        distributed.add_up([*gradients, total])
        clip_grad_norm_([table_XE, *trainee.model.parameters()], MAX_GRADIENT_NORM)
        trainee.optimizer.step(rows_X[learning_X], table_XE.grad[learning_X], lr=lr)
        trainee.source.step(lr=lr)
        return float(total)

    def settle(self) -> None:
        """Bring the table up to date, so that it can be stored; call it after each epoch.

        In an update, only the rows of recent updates.
        """
        recent_X = self._trainee.optimizer.recent_rows()
        learning_X = recent_X[self._learning_N[recent_X]]
        for rows_X in torch.split(learning_X, SETTLED_AT_ONCE):
            self._trainee.optimizer.catch_up(rows_X)

    def _share(self, group: list[Window], withheld: list[Withheld]) -> TrainBatch | None:
        """Return this rank's share of a global batch; None when it is empty."""
        mine = distributed.share(list(zip(group, withheld, strict=True)))
        if not mine:
            return None
        batch = assemble(self._sequences, [window for window, _ in mine], [one for _, one in mine])
        return to_device(batch, self._device)

    def _rows(self, batch: TrainBatch | None, negatives: Negatives | None) -> Tensor:
        """Return the rows of the step's block, distinct and ascending, the same on all ranks."""
        if negatives is None:
            return self._all_N
        named_X = self._all_N[:0] if batch is None else batch.named_rows()
        return distributed.union(torch.cat([named_X, negatives.places_C]))

    def _block(
        self, rows_X: Tensor, batch: TrainBatch | None, generator: torch.Generator, seed: int
    ) -> ItemBlock:
        """Return the items of the step, with rows of the table that gather its gradient."""

        def read_rows() -> Tensor:
            return distributed.union(self._all_N[:0] if batch is None else batch.read_rows())

        source = self._trainee.source
        known_X = torch.rand(len(rows_X), generator=generator) >= FORGOTTEN_SHARE
        table_XE = rows_at(self._trainee.model.table.detach(), rows_X)
        return ItemBlock(
            facts=source.facts(rows_X, read_rows, seed=seed),
            table_XE=table_XE.requires_grad_(),
            mean_count=self._mean_count,
            known_X=known_X.to(table_XE),
        )

    def _loss(self, sums: LossSums, totals_3: Tensor) -> Tensor:
        return (
            sums.ranking / totals_3[0]
            + SHOWN_WEIGHT * sums.shown / totals_3[1]
            + self._rating_weight * sums.rating / totals_3[2]
        )
