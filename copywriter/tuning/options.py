"""How a writer is tuned, how far it is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOptions:
    """How a model is tuned. `rate` is Adam's learning rate, which falls linearly to zero.

    `depth` is the share of the blocks, from the top, that learn.
    """

    epochs: int = 3
    batch: int = 4
    rank: int = 8
    rate: float = 2e-4
    depth: float = 1.0
    seed: int = 0


# texts of wordings are regular, so a model may go further at once
WORDINGS_OPTIONS = TuningOptions(epochs=2, batch=8, rank=16, rate=1.5e-3, depth=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningResult:
    """What a tuning did: its texts, and the mean loss of a held-out token before and after."""

    num_texts: int
    num_held_out: int
    loss_before: float
    loss_after: float
    best_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningStep:
    """How far a tuning is, for whoever watches."""

    step: int
    num_steps: int
    loss: float
