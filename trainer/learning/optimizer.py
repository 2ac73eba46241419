"""AdamW for the dense weights, and a row-wise Adam for the rows of the item table.

The row-wise Adam does not change the rows of items that no user has met yet. A dense Adam changes
every row by a full step on the slightest gradient, so those items would drift away from their text.

Every other row takes part in every step, because its momentum moves it also without a gradient, and
because rows with rare gradients need the large steps that this gives them. Without that, NDCG@10 on
Beauty is a tenth lower (docs/log.md). Yet a step's time does not grow with the table: the steps
without a gradient are deferred. They are made up for, in closed form, before the row is next read.
An update of a large catalogue leaves them deferred for the rows that it does not concern, so what
it changes and writes does not grow with the table either.

The state is a flat dict of tensors that safetensors can store.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from recommender.network.model import Trained
from trainer.learning.dense_adam import DenseAdam

BETAS = (0.9, 0.99)  # 0.999 remembers longer than an update lasts
EPSILON = 1e-8
# Each step without a gradient moves a row .9045 times (β₁ / √β₂) as far as the one before. After so
# many steps the rest is less than a ten-thousandth of the whole.
MAX_DEFERRED = 96
# Updates after the one that had a row in a step in which the row takes its deferred steps, and in
# which its served weights come nearer to the trained ones (`trainer.learning.averaging`).
RECENT_UPDATES = 1
NEVER = -1
KEPT_RATES = 4_096  # of the newest steps; a row that waited for longer takes the oldest of these


class Optimizer:
    """One optimiser over all weights of a model."""

    def __init__(self, model: Trained, *, weight_decay: float) -> None:
        self._table = model.table
        self._mean_NE = torch.zeros_like(model.table)
        self._square_NE = torch.zeros_like(model.table)
        self._steps_N = torch.zeros(len(model.table), device=model.table.device)
        self._num_steps = 0
        # of the steps after the first `_num_unrated`, then zeros
        self._rates_J = torch.zeros(1024, device=model.table.device)
        self._num_unrated = 0
        # of each row: how many of the steps it has taken, and the last one with a gradient
        self._done_N = torch.zeros(len(model.table), dtype=torch.long, device=model.table.device)
        self._seen_N = torch.full_like(self._done_N, NEVER)
        self._starts: list[int] = []  # how many steps there were before each recent update
        self._dense = {name: weight for name, weight in model.named_parameters() if name != "table"}
        self._adam = DenseAdam(
            self._dense,
            decayed=frozenset(
                name for name, weight in self._dense.items() if _decays(name, weight)
            ),
            weight_decay=weight_decay,
            betas=BETAS,
            epsilon=EPSILON,
        )

    def gradients(self) -> list[Tensor]:
        """Return the gradients of the dense weights in a fixed order.

        They are zeros for a weight that took no part.
        """
        for weight in self._dense.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self._dense.values() if weight.grad is not None]

    @torch.no_grad()
    def catch_up(self, rows_X: Tensor) -> None:
        """Make up for the deferred steps of rows, which are distinct, before they are read.

        After j steps without a gradient Adam's moments are β₁ʲ m and β₂ʲ v, so the sum of those
        steps is m / √v times a factor that depends on the numbers and rates of the steps alone.
        """
        rows_X = rows_X[self._done_N[rows_X] < self._num_steps]
        if not len(rows_X):
            return
        first, second = BETAS
        deferred_X1 = (self._num_steps - self._done_N[rows_X]).unsqueeze(1)
        mean_XE, square_XE = self._mean_NE[rows_X], self._square_NE[rows_X]
        move_XE = mean_XE / (square_XE.sqrt() + EPSILON)
        self._table[rows_X] -= self._deferred_factor(rows_X, deferred_X1) * move_XE
        self._mean_NE[rows_X] = mean_XE * first**deferred_X1
        self._square_NE[rows_X] = square_XE * second**deferred_X1
        self._steps_N[rows_X] += deferred_X1.squeeze(1)
        self._done_N[rows_X] = self._num_steps

    def _deferred_factor(self, rows_X: Tensor, deferred_X1: Tensor) -> Tensor:
        """Return factor_X1, by which m / √v is multiplied: a sum over the deferred steps J."""
        first, second = BETAS
        most = min(int(deferred_X1.max()), MAX_DEFERRED)
        after_J = torch.arange(1, most + 1, device=rows_X.device)
        step_XJ = self._steps_N[rows_X].unsqueeze(1) + after_J
        correction_XJ = (1 - second**step_XJ).sqrt() / (1 - first**step_XJ)
        # Behind the last step the rates are zero, which ends the sum of a row with fewer steps.
        taken_XJ = self._done_N[rows_X].unsqueeze(1) + after_J - 1 - self._num_unrated
        taken_XJ = taken_XJ.clamp(0, self._num_steps - self._num_unrated)
        factor_XJ = (first / second**0.5) ** after_J * correction_XJ * self._rates_J[taken_XJ]
        factor_X1: Tensor = factor_XJ.sum(1, keepdim=True)
        return factor_X1

    @torch.no_grad()
    def step(self, rows_X: Tensor, gradient_XE: Tensor, *, lr: float) -> None:
        """Change the dense weights by their gradients, which are cleared, and rows of the table.

        `gradient_XE` is the gradient of the given rows, which have caught up. The step of all other
        rows is deferred.
        """
        self._adam.step(self.gradients(), lr=lr)
        for weight in self._dense.values():
            weight.grad = None
        first, second = BETAS
        self._seen_N[rows_X] = self._num_steps
        self._rates_J[self._num_steps - self._num_unrated] = lr
        self._num_steps += 1
        if self._num_steps - self._num_unrated == len(self._rates_J):
            self._rates_J = torch.cat([self._rates_J, torch.zeros_like(self._rates_J)])
        self._done_N[rows_X] = self._num_steps
        self._steps_N[rows_X] += 1
        mean_XE = self._mean_NE[rows_X].lerp(gradient_XE, 1 - first)
        square_XE = self._square_NE[rows_X].lerp(gradient_XE.square(), 1 - second)
        self._mean_NE[rows_X], self._square_NE[rows_X] = mean_XE, square_XE
        steps_X1 = self._steps_N[rows_X].unsqueeze(1)
        root_XE = (square_XE / (1 - second**steps_X1)).sqrt() + EPSILON
        self._table[rows_X] -= lr * mean_XE / (1 - first**steps_X1) / root_XE

    def begin_update(self) -> None:
        """Let the steps that follow be those of an update, which leaves other rows as they are."""
        self._starts = [*self._starts, self._num_steps][-1 - RECENT_UPDATES :]

    def recent_rows(self) -> Tensor:
        """Return rows_X that had a gradient in a recent update; without an update, all rows."""
        if not self._starts:
            return torch.arange(len(self._seen_N), device=self._seen_N.device)
        return (self._seen_N >= self._starts[0]).nonzero().squeeze(1)

    def state(self) -> dict[str, Tensor]:
        """Return the whole state as named tensors on the CPU; recent rows must have caught up.

        The next step changes what is on the CPU already.
        """
        num_rated = self._num_steps - self._num_unrated
        tensors = {
            "table.mean": self._mean_NE,
            "table.square": self._square_NE,
            "table.steps": self._steps_N,
            "table.done": self._done_N.int(),
            "table.seen": self._seen_N.int(),
            "steps": torch.tensor([self._num_steps, *self._starts]),
            "rates": self._rates_J[max(0, num_rated - KEPT_RATES) : num_rated],
            **self._adam.state(),
        }
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore a state; rows appended since start from zero.

        Raise ValueError when the state belongs to another model.
        """
        num_rows = len(tensors["table.steps"]) if "table.steps" in tensors else -1
        if (
            not 0 <= num_rows <= len(self._table)
            or tensors["table.mean"].shape[1] != self._table.shape[1]
        ):
            raise ValueError(
                f"optimiser state: its table has {num_rows} rows, "
                f"but this model's has the shape {tuple(self._table.shape)}; train with mode full"
            )
        self._mean_NE[:num_rows] = tensors["table.mean"]
        self._square_NE[:num_rows] = tensors["table.square"]
        self._steps_N[:num_rows] = tensors["table.steps"]
        self._load_times(tensors, num_rows)
        self._adam.load(tensors)

    def _load_times(self, tensors: Mapping[str, Tensor], num_rows: int) -> None:
        """Restore when rows took their steps; a state without that is one of a recent update."""
        if "table.done" not in tensors:
            self._done_N.fill_(0)
            self._seen_N[:num_rows] = torch.where(tensors["table.steps"] > 0, 0, NEVER)
            self._starts = [0]
            return
        self._num_steps, *self._starts = tensors["steps"].tolist()
        rates_J = tensors["rates"]
        self._num_unrated = self._num_steps - len(rates_J)
        self._rates_J = torch.cat([rates_J, torch.zeros(1024)]).to(self._rates_J.device)
        self._done_N.fill_(self._num_steps)
        # A row that has not begun to learn has no steps to make up for.
        self._done_N[:num_rows] = torch.where(
            tensors["table.steps"] > 0, tensors["table.done"].long(), self._num_steps
        )
        self._seen_N[:num_rows] = tensors["table.seen"]


def _decays(name: str, weight: nn.Parameter) -> bool:
    """Return whether a weight decays: matrices do, but not biases, norms, scalars or embeddings."""
    return (
        weight.dim() > 1
        and "embedding" not in name
        and not name.endswith(("time_bias.weight", "place_bias.weight"))
    )
