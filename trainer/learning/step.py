"""One training step: a global batch, the items it computes, its gradients, the new weights.

A step computes all items of a small catalogue. Of a large one it computes only the rows that its
batch names and the negatives, so that its time does not grow with the catalogue. The result is the
same on one rank or several. Letters as in `recommender.network.model`; X rows of the step's block.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from recommender.network.model import ItemBlock, TwoTowers
from recommender.network.tensors import rows_at
from trainer.config import TrainConfig
from trainer.data.histories import Group, GroupReader, SharedHistories
from trainer.data.sampling import TrainBatch, Withheld, assemble, batches
from trainer.learning.losses import LossSums, counts, learning_rows
from trainer.learning.negatives import Negatives
from trainer.learning.objective import objective_of
from trainer.learning.optimizer import TABLE, TERMS
from trainer.learning.term_table import term_table
from trainer.learning.trainee import Trainee
from trainer.machine import distributed
from trainer.machine.device import to_device

# The weights and limits below are not tuned, except the share.
SHOWN_WEIGHT = 0.1  # an impression says less than a choice
MAX_GRADIENT_NORM = 5.0
# The share of items that a step treats as brand new. Without it the ranking of new items is a sixth
# worse; see docs/log.md.
FORGOTTEN_SHARE = 0.05
# The rate of terms, as a share of that of other weights. With all of it, terms learn by heart which
# items they belong to, so that a new item with the same terms is ranked unlike them; docs/log.md.
TERMS_LR_SHARE = 0.1
# Deferred steps need a few hundred numbers a row: 2 GiB for a million rows at once, and four times
# the time of small parts.
SETTLED_AT_ONCE = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """The loss of a global batch, whether any rank has to end, and whether a checkpoint is due."""

    loss: float
    must_end: bool
    is_due: bool


class Step:
    """Takes the steps of one training.

    `is_preempted` tells whether this rank has to end, and `is_due`, on the first rank, whether it
    is time for a checkpoint.
    """

    def __init__(
        self,
        trainee: Trainee,
        histories: SharedHistories,
        config: TrainConfig,
        *,
        is_preempted: Callable[[], bool] = lambda: False,
        is_due: Callable[[], bool] = lambda: False,
    ) -> None:
        facts = trainee.source.last_facts
        self._trainee = trainee
        self._histories = histories
        self._config = config
        self._is_preempted = is_preempted
        self._is_due = is_due
        self._learns_slates = False
        self._device = trainee.model.table.device
        shown_X = torch.from_numpy(histories.own.shown_rows)
        shown_X = distributed.union(shown_X, limit_s=config.step_limit_s)
        self._learning_N = learning_rows(facts, shown_X)
        self._mean_count = facts.counts_N.mean()
        self._all_N = torch.arange(len(facts.counts_N), device=self._device)
        self._terms = term_table(trainee, facts, self._learning_N)
        self._objective = objective_of(trainee.model, facts.counts_N, config)
        self.exchange_s = 0.0  # in exchanges, with the waits for ranks that are not there yet

    def begin_epoch(self, measured: float | None = None) -> float | None:
        """Decide whether this epoch's steps learn from slates; return their effective size.

        It is None without slates. Below the floor the weights of a few choices would decide.
        `measured` is what was returned when an epoch began that goes on from a checkpoint.
        """
        if self._histories.own.slates is None:
            return None
        size = self._effective_size() if measured is None else measured
        self._learns_slates = size >= self._config.policy_gradient.min_effective_size
        return size

    def run(self, group: Group, withheld: list[Withheld], *, lr: float) -> Stepped:
        """Take one step on a global batch, reading this rank's share."""
        trainee, batch = self._trainee, self._share(group, withheld)
        totals_4 = torch.zeros(4, device=self._device) if batch is None else counts(batch)
        self._add_up([totals_4])
        # The same on all ranks, no matter which other random numbers were drawn.
        seed = group.seed
        generator = torch.Generator().manual_seed(seed)
        negatives = self._objective.negatives(generator)
        rows_X = self._rows(batch, negatives)
        learning_X = rows_at(self._learning_N, rows_X)
        trainee.optimizer.items.catch_up(rows_X[learning_X])
        block = self._block(rows_X, batch, generator, seed)
        terms = self._terms.read(block.facts, trainee.model) if self._terms is not None else None
        if terms is not None:
            block = replace(block, facts=terms.facts, terms_YW=terms.vectors_YW)
        loss = torch.zeros((), device=self._device)
        if batch is not None:
            sums = self._objective.sums(block, rows_X, batch, negatives)
            loss = self._loss(sums, totals_4.clamp(min=1.0))
            loss.backward()  # type: ignore[no-untyped-call]
        total = loss.detach().clone()
        table_XE = block.table_XE
        leaves = [table_XE, *([terms.leaf_YW] if terms is not None else [])]
        rows_gradients = leaf_gradients(leaves)
        gradients = [*rows_gradients, *trainee.optimizer.gradients()]
        wishes_2 = torch.zeros(2, device=self._device)
        wishes_2[0], wishes_2[1] = float(self._is_preempted()), float(self._is_due())
        self._add_up([*gradients, *trainee.source.gradients(), total, wishes_2])
        clip_grad_norm_([*leaves, *trainee.model.parameters()], MAX_GRADIENT_NORM)
        trainee.optimizer.step(lr=lr)
        trainee.optimizer.items.step(rows_X[learning_X], rows_gradients[0][learning_X], lr=lr)
        if self._terms is not None and terms is not None:
            self._terms.step(terms, lr=TERMS_LR_SHARE * lr)
        trainee.source.step(lr=lr)
        must_end, is_due = wishes_2.cpu().tolist()
        return Stepped(loss=float(total), must_end=must_end > 0, is_due=is_due > 0)

    def settle(self) -> None:
        """Bring the table up to date, so that it can be stored; call it after each epoch.

        In an update, only the rows of recent updates.
        """
        learning = {TABLE: self._learning_N}
        if self._terms is not None:
            learning[TERMS] = self._terms.learning_T
        for name, table in self._trainee.optimizer.tables.items():
            recent_X = table.recent_rows()
            for rows_X in torch.split(recent_X[learning[name][recent_X]], SETTLED_AT_ONCE):
                table.catch_up(rows_X)

    def _share(self, group: Group, withheld: list[Withheld]) -> TrainBatch | None:
        """Return this rank's share of a global batch; None when it is empty."""
        mine = distributed.share(list(zip(group.windows, withheld, strict=True)))
        if not mine:
            return None
        batch = assemble(group.sequences, [window for window, _ in mine], [one for _, one in mine])
        if not self._learns_slates:
            batch = replace(batch, slates=None)
        return to_device(batch, self._device)

    def _rows(self, batch: TrainBatch | None, negatives: Negatives | None) -> Tensor:
        """Return the rows of the step's block, distinct and ascending, the same on all ranks."""
        if negatives is None:
            return self._all_N
        named_X = self._all_N[:0] if batch is None else batch.named_rows()
        return self._union(torch.cat([named_X, negatives.places_C]))

    def _block(
        self, rows_X: Tensor, batch: TrainBatch | None, generator: torch.Generator, seed: int
    ) -> ItemBlock:
        """Return the items of the step, with rows of the table that gather its gradient."""

        def read_rows() -> Tensor:
            return self._union(self._all_N[:0] if batch is None else batch.read_rows())

        source = self._trainee.source
        known_X = torch.rand(len(rows_X), generator=generator) >= FORGOTTEN_SHARE
        kept_XS = self._random_modalities(known_X, generator)
        table_XE = rows_at(self._trainee.model.table.detach(), rows_X)
        return ItemBlock(
            facts=source.facts(rows_X, read_rows, seed=seed),
            table_XE=table_XE.requires_grad_(),
            mean_count=self._mean_count,
            known_X=known_X.to(table_XE),
            kept_XS=None if kept_XS is None else kept_XS.to(table_XE),
        )

    def _random_modalities(self, known_X: Tensor, generator: torch.Generator) -> Tensor | None:
        """Return which modalities of which rows a step reads; None for all, without slots."""
        model = self._trainee.model
        num_slots = len(model.slots) if isinstance(model, TwoTowers) else 0
        if not num_slots:
            return None
        drawn_XS = torch.rand(len(known_X), 1 + num_slots, generator=generator)
        return kept_modalities(known_X, drawn_XS, self._config.fusion.dropout)

    def _loss(self, sums: LossSums, totals_4: Tensor) -> Tensor:
        return (
            sums.ranking / totals_4[0]
            + SHOWN_WEIGHT * sums.shown / totals_4[1]
            + self._config.rating_weight * sums.rating / totals_4[2]
            + self._config.policy_gradient.weight * sums.policy / totals_4[3]
        )

    def _add_up(self, tensors: Sequence[Tensor]) -> None:
        began_s = time.monotonic()
        distributed.add_up(tensors, limit_s=self._config.step_limit_s)
        self.exchange_s += time.monotonic() - began_s

    def _union(self, values_X: Tensor) -> Tensor:
        began_s = time.monotonic()
        union_X = distributed.union(values_X, limit_s=self._config.step_limit_s)
        self.exchange_s += time.monotonic() - began_s
        return union_X

    @torch.no_grad()
    def _effective_size(self) -> float:
        """Return (Σρ)² / Σρ² over all choices in slates, with the weights ρ as they are now."""
        trainee, sums_2 = self._trainee, torch.zeros(2, device=self._device)
        trainee.model.eval()
        self._learns_slates = True
        for number, group in enumerate(self._groups_with_slates()):
            batch = self._share(group, [Withheld()] * len(group.windows))
            negatives = self._objective.negatives(torch.Generator().manual_seed(number))
            rows_X = self._rows(batch, negatives)
            trainee.optimizer.items.catch_up(rows_X[rows_at(self._learning_N, rows_X)])
            if batch is None:
                continue
            block = ItemBlock(
                facts=trainee.source.last_facts.at(rows_X),
                table_XE=rows_at(trainee.model.table.detach(), rows_X),
                mean_count=self._mean_count,
            )
            ratio_Q = self._objective.ratios(block, rows_X, batch, negatives)
            sums_2 += torch.stack([ratio_Q.sum(), ratio_Q.square().sum()])
        self._add_up([sums_2])
        trainee.model.train()
        total, squares = sums_2.tolist()
        return total**2 / squares if squares > 0 else 0.0

    def _groups_with_slates(self) -> Iterator[Group]:
        """Cut the histories at the slates alone, in the same way each time."""
        generator = np.random.default_rng(self._config.seed)
        max_history = self._trainee.model.config.max_history
        windows = self._histories.cut_at_slates(max_history=max_history, generator=generator)
        size = self._config.batch_size
        groups = batches(windows.lengths_W, batch_size=size, generator=generator)
        reader = GroupReader(self._histories, windows, groups)
        return (reader.read(number) for number in range(len(groups)))


def kept_modalities(known_X: Tensor, drawn_XS: Tensor, dropout: float) -> Tensor:
    """Return kept_XS: all modalities of known items, and those of others but for a share.

    The ids of known items would otherwise learn what their texts say, and new items, which have no
    ids, would be ranked below them (docs/log.md).
    """
    return known_X.unsqueeze(1) | (drawn_XS >= dropout)


def leaf_gradients(leaves: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of rows that gather them; zeros for those that took no part."""
    for leaf in leaves:
        if leaf.grad is None:
            leaf.grad = torch.zeros_like(leaf)
    return [leaf.grad for leaf in leaves if leaf.grad is not None]
