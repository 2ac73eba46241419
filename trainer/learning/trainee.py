"""What the training loop changes: a model, its optimiser, and the item facts it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from recommender.bundle import Bundle
from recommender.network.model import ItemFacts, Trained
from trainer.learning.optimizer import Optimizer


class FactsSource(Protocol):
    """Where the loop gets the facts about the items: fixed, or with text vectors that learn too."""

    @property
    def last_facts(self) -> ItemFacts:
        """Return the facts as they were last computed."""

    def facts(self, rows_X: Tensor, read_rows: Callable[[], Tensor], *, seed: int) -> ItemFacts:
        """Return the facts of some rows, distinct and ascending, for one step.

        `read_rows` returns those of them that the step's histories and impressions name. On several
        ranks it is a collective call, so either every rank calls it or none does.
        """

    def gradients(self) -> list[Tensor]:
        """Return those gradients of the source's own weights that ranks sum, in a fixed order.

        It is a collective call, as `step` is.
        """

    def step(self, *, lr: float) -> None:
        """Change the source's own weights by their gradients, then clear the gradients."""

    def refresh(self) -> None:
        """Compute all facts again; called after each epoch."""

    def state(self) -> dict[str, Tensor]:
        """Return everything that changes, as named tensors for a checkpoint.

        Every rank calls it, and the first one gets them.
        """

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, which only the first rank has; every rank calls it."""

    def finish(self, bundle: Bundle) -> Bundle:
        """Return the trained bundle with what this source learned. Call it once, at the end."""


@dataclass(frozen=True, slots=True)
class FixedFacts:
    """Facts that stay as they are, because the text encoder is not trained."""

    last_facts: ItemFacts

    def facts(
        self,
        rows_X: Tensor,
        read_rows: Callable[[], Tensor],  # noqa: ARG002
        *,
        seed: int,  # noqa: ARG002
    ) -> ItemFacts:
        """Return the facts of the rows, which no step changes."""
        return self.last_facts.at(rows_X)

    def gradients(self) -> list[Tensor]:
        """Return no gradients."""
        return []

    def step(self, *, lr: float) -> None:
        """Change nothing."""

    def refresh(self) -> None:
        """Compute nothing."""

    def state(self) -> dict[str, Tensor]:
        """Return no tensors."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore nothing."""

    def finish(self, bundle: Bundle) -> Bundle:
        """Return the bundle unchanged."""
        return bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainee:
    """A model in training, with its optimiser and its source of facts, all on one device."""

    model: Trained
    optimizer: Optimizer
    source: FactsSource
