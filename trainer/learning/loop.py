"""The training loop: epochs over a snapshot's sequences, with a checkpoint after each.

The result is the same on one rank or several. The random seed of an epoch is made of the run's seed
and the epoch's number, so a killed run continues as if it had not been interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recommender.model import ItemFacts, Sketch
from trainer.config import TrainConfig
from trainer.data.sampling import (
    Sequences,
    TrainBatch,
    Window,
    Withheld,
    assemble,
    batches,
    cut_windows,
    draw_withheld,
)
from trainer.learning.checkpoint import Checkpoint
from trainer.learning.losses import LossSums, batch_losses, counts, learned_rows, touched_rows
from trainer.learning.sketch_losses import sketch_losses
from trainer.learning.trainee import Trainee
from trainer.machine import distributed
from trainer.machine.device import to_device
from trainer.progress import Progress

WARM_UP_SHARE = 0.05  # of a full training; Adam's first steps are wild
LAST_LR_SHARE = 0.05  # not tuned, nor are the constants below except the last
SHOWN_WEIGHT = 0.1  # an impression says less than a choice
MAX_GRADIENT_NORM = 5.0
# The share of items that a step treats as brand new. Without it the ranking of new items is a sixth
# worse; see docs/log.md.
FORGOTTEN_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The number of epochs and the learning rate.

    A full training warms up and then decays along a cosine. An update (`warm`) keeps its rate.
    """

    epochs: int
    lr: float
    warm: bool

    def lr_at(self, done: float) -> float:
        """Return the learning rate when a share `done` of the training is complete."""
        if self.warm:
            return self.lr
        if done < WARM_UP_SHARE:
            return self.lr * max(done / WARM_UP_SHARE, 0.01)
        cooling = (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
        return self.lr * (
            LAST_LR_SHARE + (1 - LAST_LR_SHARE) * 0.5 * (1 + math.cos(math.pi * cooling))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the loop calls after each batch: progress, and a check that raises to stop it."""

    progress: Progress
    check: Callable[[], None]


def train(
    trainee: Trainee,
    sequences: Sequences,
    *,
    config: TrainConfig,
    schedule: Schedule,
    checkpoint: Checkpoint,
    watch: Watch,
) -> tuple[float, ...]:
    """Train in place and return the mean loss of each epoch.

    There are none when there is nothing to learn. Epochs in the checkpoint are not repeated.
    """
    model, progress = trainee.model, watch.progress
    losses = checkpoint.load(trainee)
    step = _Step(
        trainee=trainee,
        learned_X=learned_rows(trainee.source.last_facts, sequences),
        rating_weight=config.rating_weight,
    )
    progress.phase("train", schedule.epochs)
    model.train()
    for epoch in range(len(losses), schedule.epochs):
        generator = np.random.default_rng([config.seed, epoch])
        torch.manual_seed(int(generator.integers(2**31)))
        windows = cut_windows(sequences, max_history=model.config.max_history, generator=generator)
        if not windows:
            break
        groups = batches(windows, batch_size=config.batch_size, generator=generator)
        num_steps, total = schedule.epochs * len(groups), 0.0
        for number, group in enumerate(groups):
            done = epoch + number / len(groups)
            withheld = draw_withheld(len(group), generator)
            loss = step.run(sequences, group, withheld, lr=schedule.lr_at(done / schedule.epochs))
            total += loss
            watch.check()
            progress.step(epoch * len(groups) + number, num_steps, loss)
        trainee.source.refresh()
        losses.append(total / len(groups))
        checkpoint.save(trainee, losses)
        progress.step((epoch + 1) * len(groups), num_steps, losses[-1])
    model.eval()
    return tuple(losses)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    trainee: Trainee
    learned_X: Tensor
    rating_weight: float

    def run(
        self, sequences: Sequences, group: list[Window], withheld: list[Withheld], *, lr: float
    ) -> float:
        """Take one step on a global batch, reading this rank's share; return the batch's loss."""
        batch = self._share(sequences, group, withheld)
        device = self.trainee.model.table.device
        totals_3 = counts(batch) if batch is not None else torch.zeros(3, device=device)
        distributed.add_up([totals_3])
        # The same on all ranks, no matter which other random numbers were drawn.
        seed = group[0].first * 1_000_003 + group[-1].stop
        facts = self.trainee.source.facts(lambda: self._touched_rows(batch), seed=seed)
        loss = torch.zeros((), device=device)
        if batch is not None:
            negatives = torch.Generator().manual_seed(seed)
            loss = self._loss(self._sums(facts, batch, negatives), totals_3.clamp(min=1.0))
            loss.backward()  # type: ignore[no-untyped-call]
        total = loss.detach().clone()
        gradients = [*self.trainee.optimizer.gradients(), *self.trainee.source.gradients()]
        distributed.add_up([*gradients, total])
        torch.nn.utils.clip_grad_norm_(self.trainee.model.parameters(), MAX_GRADIENT_NORM)
        self.trainee.optimizer.step(self.learned_X, lr=lr)
        self.trainee.source.step(lr=lr)
        return float(total)

    def _share(
        self, sequences: Sequences, group: list[Window], withheld: list[Withheld]
    ) -> TrainBatch | None:
        """Return this rank's share of a global batch; None when it is empty."""
        mine = distributed.share(list(zip(group, withheld, strict=True)))
        if not mine:
            return None
        batch = assemble(sequences, [window for window, _ in mine], [one for _, one in mine])
        return to_device(batch, self.trainee.model.table.device)

    def _touched_rows(self, batch: TrainBatch | None) -> Tensor:
        """Return the rows that the batches of all ranks read."""
        touched_N = torch.zeros_like(self.trainee.model.table[:, 0])
        if batch is not None:
            touched_N[touched_rows(batch)] = 1.0
        distributed.add_up([touched_N])
        return touched_N.nonzero().squeeze(1)

    def _sums(self, facts: ItemFacts, batch: TrainBatch, negatives: torch.Generator) -> LossSums:
        model = self.trainee.model
        if isinstance(model, Sketch):
            return sketch_losses(model, facts, batch)
        known_N = torch.rand(len(facts.counts_N), generator=negatives) >= FORGOTTEN_SHARE
        return batch_losses(
            model,
            facts,
            batch,
            negatives,
            known_N=known_N.to(facts.counts_N),
            sampling=self.trainee.sampling,
        )

    def _loss(self, sums: LossSums, totals_3: Tensor) -> Tensor:
        return (
            sums.ranking / totals_3[0]
            + SHOWN_WEIGHT * sums.shown / totals_3[1]
            + self.rating_weight * sums.rating / totals_3[2]
        )
