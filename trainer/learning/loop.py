"""The training loop: epochs over a snapshot's sequences, with checkpoints.

The result is the same on one rank or several. The random seeds of an epoch and of a step are made
of the run's seed and their numbers, so a killed run continues as if it had not been interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trainer.config import TrainConfig
from trainer.data.histories import GroupReader, SharedHistories
from trainer.data.sampling import Sequences, batches, draw_withheld
from trainer.learning.checkpoint import Checkpoints, Reached
from trainer.learning.learned import EpochResult, Learned
from trainer.learning.step import Step, Stepped
from trainer.learning.trainee import Trainee
from trainer.machine import distributed
from trainer.machine.preemption import Preempted
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

    @classmethod
    def of(cls, config: TrainConfig, *, is_update: bool) -> Schedule:
        """Return the schedule that a configuration asks for."""
        epochs = config.update_epochs if is_update else config.full_epochs
        return cls(epochs=epochs, lr=config.lr(update=is_update), warm=is_update)

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
    """What the loop calls after each batch: progress, and a check that raises to stop it.

    `is_preempted` tells whether this rank has to end, which ends all ranks after a checkpoint.
    """

    progress: Progress
    check: Callable[[], None]
    is_preempted: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """What every epoch of a training needs."""

    trainee: Trainee
    histories: SharedHistories
    config: TrainConfig
    schedule: Schedule
    checkpoints: Checkpoints | None
    watch: Watch
    step: Step


def train(
    trainee: Trainee,
    sequences: Sequences,
    *,
    config: TrainConfig,
    schedule: Schedule,
    checkpoints: Checkpoints | None,
    watch: Watch,
) -> Learned:
    """Train in place and return what was measured. The sequences are those of this rank's users.

    There are no losses when there is nothing to learn. What a checkpoint holds is not repeated;
    with None nothing is kept. Raise Preempted after a notice, with a checkpoint.
    """
    reached = checkpoints.load(trainee) if checkpoints is not None else Reached()
    histories = SharedHistories(sequences, limit_s=config.step_limit_s)
    course = _Course(
        trainee=trainee,
        histories=histories,
        config=config,
        schedule=schedule,
        checkpoints=checkpoints,
        watch=watch,
        step=Step(
            trainee,
            histories,
            config,
            is_preempted=watch.is_preempted,
            is_due=checkpoints.is_due if checkpoints is not None else lambda: False,
        ),
    )
    watch.progress.phase("train", schedule.epochs)
    trainee.model.train()
    while len(reached.epochs) < schedule.epochs:
        result = _run_epoch(course, reached)
        if result is None:
            break
        reached = Reached(epochs=(*reached.epochs, result))
        if checkpoints is not None and not schedule.warm:
            checkpoints.save(trainee, reached)
    trainee.model.eval()
    if checkpoints is not None:
        watch.progress.add_part("checkpoints", checkpoints.took_s)
    if distributed.num_ranks() > 1:
        watch.progress.add_part("exchange", course.step.exchange_s)
    return Learned.of(reached.epochs, histories, config)


def _run_epoch(course: _Course, reached: Reached) -> EpochResult | None:
    """Run what is left of an epoch; None when there is nothing to learn."""
    trainee, config, progress = course.trainee, course.config, course.watch.progress
    epoch = len(reached.epochs)
    max_history = trainee.model.config.max_history
    generator = np.random.default_rng([config.seed, epoch])
    seed = int(generator.integers(2**31))
    windows = course.histories.cut(max_history=max_history, generator=generator)
    if not len(windows):
        return None
    groups = batches(windows.lengths_W, batch_size=config.batch_size, generator=generator)
    size = course.step.begin_epoch(reached.effective_size if reached.num_steps else None)
    reached = replace(reached, effective_size=size)
    num_steps, first = course.schedule.epochs * len(groups), epoch * len(groups)
    progress.go_on(first + reached.num_steps, num_steps)
    reader = GroupReader(course.histories, windows, groups)
    for number, chosen in enumerate(groups):
        withheld = draw_withheld(len(chosen), generator, dropout_seed=seed + number)
        if number < reached.num_steps:
            continue
        group = reader.read(number)
        done = epoch + number / len(groups)
        lr = course.schedule.lr_at(done / course.schedule.epochs)
        stepped = course.step.run(group, withheld, lr=lr)
        loss_sum = reached.loss_sum + stepped.loss
        reached = replace(reached, num_steps=number + 1, loss_sum=loss_sum)
        num_events = sum(window.stop - window.first for window in group.windows)
        progress.step(first + number, num_steps, stepped.loss, num_events=num_events)
        _look_up(course, reached, stepped)
    course.step.settle()
    trainee.source.refresh()
    result = EpochResult(loss=reached.loss_sum / len(groups), effective_size=size)
    progress.step(first + len(groups), num_steps, result.loss)
    return result


def _look_up(course: _Course, reached: Reached, stepped: Stepped) -> None:
    """Between two steps, write a checkpoint if it is time; raise Preempted if the training ends."""
    if course.checkpoints is not None and (stepped.must_end or stepped.is_due):
        course.checkpoints.save(course.trainee, reached)
    if stepped.must_end:
        raise Preempted
    course.watch.check()
