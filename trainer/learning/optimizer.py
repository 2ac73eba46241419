"""AdamW for the dense weights, and a row-wise Adam for the rows of tables.

The tables are the items', and that of the terms of facts if the network has one. The state is a
flat dict of tensors that safetensors can store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from recommender.network.model import Trained, TwoTowers
from trainer.learning.dense_adam import DenseAdam
from trainer.learning.row_adam import BETAS, EPSILON, RowAdam

TABLE, TERMS = "table", "terms"
# The rate of the gates of slots in a full retrain, as a multiple of that of other weights. Gates
# start at zero. With a multiple of 1 they stay there where texts say nothing; docs/log.md.
GATE_RATE = 30.0


class Optimizer:
    """One optimiser over all weights of a model."""

    def __init__(self, model: Trained, *, weight_decay: float) -> None:
        self.items = RowAdam(model.table, prefix=TABLE)
        self.terms: RowAdam | None = None
        if isinstance(model, TwoTowers) and model.terms is not None:
            self.terms = RowAdam(model.terms, prefix=TERMS, clock=f"{TERMS}.at_")
        self._dense = {
            name: weight for name, weight in model.named_parameters() if name not in (TABLE, TERMS)
        }
        self._adam = DenseAdam(
            self._dense,
            decayed=frozenset(
                name for name, weight in self._dense.items() if _decays(name, weight)
            ),
            weight_decay=weight_decay,
            betas=BETAS,
            epsilon=EPSILON,
        )
        self._rates = {name: GATE_RATE for name in self._dense if name.endswith(".gate")}

    @property
    def tables(self) -> dict[str, RowAdam]:
        """Return the optimisers of the tables by the names of their weights."""
        return {TABLE: self.items} | ({TERMS: self.terms} if self.terms is not None else {})

    def gradients(self) -> list[Tensor]:
        """Return the gradients of the dense weights in a fixed order.

        They are zeros for a weight that took no part.
        """
        for weight in self._dense.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self._dense.values() if weight.grad is not None]

    def step(self, *, lr: float) -> None:
        """Change the dense weights by their gradients, which are cleared."""
        self._adam.step(self.gradients(), lr=lr, rates=self._rates)
        for weight in self._dense.values():
            weight.grad = None

    def begin_update(self) -> None:
        """Let the steps that follow be those of an update, which leaves other rows as they are.

        Its gates are open already, and learn as other weights do.
        """
        self._rates = {}
        for one in self.tables.values():
            one.begin_update()

    def state(self) -> dict[str, Tensor]:
        """Return the whole state as named tensors on the CPU; recent rows must have caught up.

        The next step changes what is on the CPU already.
        """
        return self._on_cpu([one.state() for one in self.tables.values()])

    def whole_state(self) -> dict[str, Tensor]:
        """Return the state between any two steps, for `resume`; as `state` otherwise."""
        return self._on_cpu([one.whole_state() for one in self.tables.values()])

    def resume(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on exactly where `whole_state` was taken, with the same model."""
        for one in self.tables.values():
            one.resume(tensors)
        self._adam.load(tensors)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore a state; rows appended since start from zero.

        Raise ValueError when the state belongs to another model.
        """
        for one in self.tables.values():
            one.load(tensors)
        self._adam.load(tensors)

    def _on_cpu(self, of_tables: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        tensors = self._adam.state()
        for one in of_tables:
            tensors |= one
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _decays(name: str, weight: nn.Parameter) -> bool:
    """Return whether a weight decays: matrices do, but not biases, norms, scalars or embeddings."""
    return (
        weight.dim() > 1
        and "embedding" not in name
        and not name.endswith(("time_bias.weight", "place_bias.weight"))
    )
