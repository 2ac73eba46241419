"""The training loop: epochs over a snapshot's sequences, a checkpoint after each, the same result on one or several ranks.

Knows a model, its facts and sequences; no ids, no report. The seed of an epoch is made of the run's
seed and its number, so that a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recommender.model import ItemFacts, Sketch, Trained
from trainer import distributed
from trainer.config import TrainConfig
from trainer.device import moved
from trainer.durable_files import replacing
from trainer.losses import LossSums, batch_losses, counts, learned_rows, touched_rows
from trainer.optimizer import Optimizer
from trainer.progress import Progress
from trainer.sampling import (
    Sequences,
    TrainBatch,
    Window,
    Withheld,
    assemble,
    batches,
    cut_windows,
    draw_withheld,
)
from trainer.sketch_losses import sketch_losses
from trainer.text_learner import TextLearner

WARM_UP_SHARE = 0.05  # of a full training; Adam's first steps are wild
LAST_LR_SHARE = 0.05  # not searched, as the others here but the last
SHOWN_WEIGHT = 0.1  # an impression says less than a choice
MAX_GRADIENT_NORM = 5.0
# of the items stand in a step as if they were new; none is a sixth worse for new ones; docs/log.md
FORGOTTEN_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast. A full training warms up and cools down along a cosine; an update, warm already, keeps its rate."""

    epochs: int
    lr: float
    warm: bool

    def lr_at(self, done: float) -> float:
        """Return the rate when a share of the training is done."""
        if self.warm:
            return self.lr
        if done < WARM_UP_SHARE:
            return self.lr * max(done / WARM_UP_SHARE, 0.01)
        cooling = (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
        return self.lr * (
            LAST_LR_SHARE + (1 - LAST_LR_SHARE) * 0.5 * (1 + math.cos(math.pi * cooling))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where a run keeps its state after each epoch. `key` names snapshot and configuration; another run's file is ignored."""

    path: Path
    key: str

    def save(
        self, model: Trained, optimizer: Optimizer, learner: TextLearner | None, losses: list[float]
    ) -> None:
        """Write atomically, from the first rank."""
        if distributed.rank() != 0:
            return
        tensors = {
            f"model.{name}": tensor.detach().cpu() for name, tensor in model.state_dict().items()
        }
        tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer.state().items()}
        tensors |= (
            {f"encoder.{name}": tensor for name, tensor in learner.state().items()}
            if learner is not None
            else {}
        )
        metadata = {"key": self.key, "losses": json.dumps(losses)}
        with replacing(self.path, durable=False) as unfinished:
            save_file(tensors, unfinished, metadata=metadata)

    def load(
        self, model: Trained, optimizer: Optimizer, learner: TextLearner | None
    ) -> list[float]:
        """Restore what was saved and return the losses of the finished epochs; none when there is nothing of ours."""
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata()
                if metadata.get("key") != self.key:
                    return []
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        except (OSError, SafetensorError):
            return []
        model.load_state_dict(_part(tensors, "model."))
        optimizer.load(_part(tensors, "optimizer."))
        if learner is not None:
            learner.load(_part(tensors, "encoder."))
        losses: list[float] = json.loads(metadata["losses"])
        return losses


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the loop reports to after each batch: progress, and a check that raises when it should stop."""

    progress: Progress
    check: Callable[[], None]


def train(
    model: Trained,
    optimizer: Optimizer,
    facts: ItemFacts | TextLearner,
    sequences: Sequences,
    *,
    config: TrainConfig,
    run: tuple[Schedule, Checkpoint, Watch],
) -> tuple[float, ...]:
    """Train the model in place, on the device where it and the facts lie, and return the mean loss of each epoch.

    Nothing to learn from gives none. Where the text encoder is trained too, its learner gives the
    facts.
    """
    schedule, checkpoint, watch = run
    learner = facts if isinstance(facts, TextLearner) else None
    losses = checkpoint.load(model, optimizer, learner)
    learned_X = learned_rows(facts if isinstance(facts, ItemFacts) else facts.last_facts, sequences)
    watch.progress.phase("train", schedule.epochs)
    model.train()
    for epoch in range(len(losses), schedule.epochs):
        generator = np.random.default_rng([config.seed, epoch])
        torch.manual_seed(int(generator.integers(2**31)))
        windows = cut_windows(sequences, max_history=model.config.max_history, generator=generator)
        if not windows:
            break
        groups = batches(windows, batch_size=config.batch_size, generator=generator)
        total = 0.0
        for number, group in enumerate(groups):
            done = epoch + number / len(groups)
            withheld = draw_withheld(len(group), generator)
            step = _Step(
                model=model,
                optimizer=optimizer,
                facts=facts,
                learned_X=learned_X,
                rating_weight=config.rating_weight,
            )
            loss = step.run(sequences, group, withheld, lr=schedule.lr_at(done / schedule.epochs))
            total += loss
            watch.check()
            watch.progress.step(epoch * len(groups) + number, schedule.epochs * len(groups), loss)
        if learner is not None:
            learner.refresh()
        losses.append(total / len(groups))
        checkpoint.save(model, optimizer, learner, losses)
        watch.progress.step((epoch + 1) * len(groups), schedule.epochs * len(groups), losses[-1])
    model.eval()
    return tuple(losses)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    model: Trained
    optimizer: Optimizer
    facts: ItemFacts | TextLearner
    learned_X: Tensor
    rating_weight: float

    def run(
        self, sequences: Sequences, group: list[Window], withheld: list[Withheld], *, lr: float
    ) -> float:
        """Take one step on a global batch, of which this rank reads its share; return the batch's loss."""
        mine = distributed.share(list(zip(group, withheld, strict=True)))
        device = self.model.table.device
        totals_3 = torch.zeros(3, device=device)
        batch = (
            moved(
                assemble(sequences, [window for window, _ in mine], [one for _, one in mine]),
                device,
            )
            if mine
            else None
        )
        if batch is not None:
            totals_3 = counts(batch)
        distributed.add_up([totals_3])
        seed = (
            group[0].first * 1_000_003 + group[-1].stop
        )  # the same on all ranks, whatever else has drawn random numbers
        learner = self.facts if isinstance(self.facts, TextLearner) else None
        facts = (
            self.facts
            if isinstance(self.facts, ItemFacts)
            else self.facts.facts(self._touched(batch), seed=seed)
        )
        loss = torch.zeros((), device=device)
        if batch is not None:
            negatives = torch.Generator().manual_seed(seed)
            loss = self._loss(self._sums(facts, batch, negatives), totals_3.clamp(min=1.0))
            loss.backward()  # type: ignore[no-untyped-call]
        gradients = [
            *self.optimizer.gradients(),
            *(learner.gradients() if learner is not None else ()),
        ]
        total = loss.detach().clone()
        distributed.add_up([*gradients, total])
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step(self.learned_X, lr=lr)
        if learner is not None:
            learner.step(lr=lr)
        return float(total)

    def _touched(self, batch: TrainBatch | None) -> Tensor:
        """Return the rows that the batches of all ranks are about."""
        touched_N = torch.zeros_like(self.model.table[:, 0])
        if batch is not None:
            touched_N[touched_rows(batch)] = 1.0
        distributed.add_up([touched_N])
        return touched_N.nonzero().squeeze(1)

    def _sums(self, facts: ItemFacts, batch: TrainBatch, negatives: torch.Generator) -> LossSums:
        if isinstance(self.model, Sketch):
            return sketch_losses(self.model, facts, batch)
        known_N = torch.rand(len(facts.counts_N), generator=negatives) >= FORGOTTEN_SHARE
        return batch_losses(self.model, facts, batch, negatives, known_N=known_N.to(facts.counts_N))

    def _loss(self, sums: LossSums, totals_3: Tensor) -> Tensor:
        return (
            sums.ranking / totals_3[0]
            + SHOWN_WEIGHT * sums.shown / totals_3[1]
            + self.rating_weight * sums.rating / totals_3[2]
        )
