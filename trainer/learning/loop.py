"""The training loop: epochs over a snapshot's sequences, in full retrains with checkpoints.

The result is the same on one rank or several. The random seed of an epoch is made of the run's seed
and the epoch's number, so a killed run continues as if it had not been interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from trainer.config import TrainConfig
from trainer.data.sampling import Sequences, batches, cut_windows, draw_withheld
from trainer.learning.checkpoint import Checkpoint
from trainer.learning.learned import EpochResult, Learned
from trainer.learning.step import Step
from trainer.learning.trainee import Trainee
from trainer.progress import Progress

WARM_UP_SHARE = 0.05  # of a full training; Adam's first steps are wild
LAST_LR_SHARE = 0.05  # not tuned


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
    checkpoint: Checkpoint | None,
    watch: Watch,
) -> Learned:
    """Train in place and return what was measured.

    There are no losses when there is nothing to learn. Epochs in the checkpoint are not repeated;
    with None nothing is kept.
    """
    model, progress = trainee.model, watch.progress
    epochs = checkpoint.load(trainee) if checkpoint is not None else []
    step = Step(trainee, sequences, config)
    progress.phase("train", schedule.epochs)
    model.train()
    for epoch in range(len(epochs), schedule.epochs):
        generator = np.random.default_rng([config.seed, epoch])
        torch.manual_seed(int(generator.integers(2**31)))
        windows = cut_windows(sequences, max_history=model.config.max_history, generator=generator)
        if not windows:
            break
        groups = batches(windows, batch_size=config.batch_size, generator=generator)
        effective_size = step.begin_epoch()
        num_steps, total = schedule.epochs * len(groups), 0.0
        for number, group in enumerate(groups):
            done = epoch + number / len(groups)
            withheld = draw_withheld(len(group), generator)
            loss = step.run(group, withheld, lr=schedule.lr_at(done / schedule.epochs))
            total += loss
            watch.check()
            progress.step(epoch * len(groups) + number, num_steps, loss)
        step.settle()
        trainee.source.refresh()
        epochs.append(EpochResult(loss=total / len(groups), effective_size=effective_size))
        if checkpoint is not None:
            checkpoint.save(trainee, epochs)
        progress.step((epoch + 1) * len(groups), num_steps, epochs[-1].loss)
    model.eval()
    return Learned.of(epochs, sequences, config)
