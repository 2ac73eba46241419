"""A row-wise Adam for a table of which a step changes some rows: items, or terms of facts.

It does not change the rows of items that no user has met yet. A dense Adam changes every row by a
full step on the slightest gradient, so those items would drift away from their text.

Every other row takes part in every step, because its momentum moves it also without a gradient, and
because rows with rare gradients need the large steps that this gives them. Without that, NDCG@10 on
Beauty is a tenth lower (docs/log.md). Yet a step's time does not grow with the table: the steps
without a gradient are deferred. They are made up for, in closed form, before the row is next read.
An update of a large catalogue leaves them deferred for the rows that it does not concern, so what
it changes and writes does not grow with the table either.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

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


class RowAdam:
    """The Adam of one table; `prefix` begins the names of its tensors in a state."""

    def __init__(self, table: nn.Parameter, *, prefix: str, clock: str = "") -> None:
        self._table = table
        self._prefix = prefix
        self._clock = clock  # begins the names of the tensors that are not by row
        self._mean_NE = torch.zeros_like(table)
        self._square_NE = torch.zeros_like(table)
        self._steps_N = torch.zeros(len(table), device=table.device)
        self._num_steps = 0
        # of the steps after the first `_num_unrated`, then zeros
        self._rates_J = torch.zeros(1024, device=table.device)
        self._num_unrated = 0
        # of each row: how many of the steps it has taken, and the last one with a gradient
        self._done_N = torch.zeros(len(table), dtype=torch.long, device=table.device)
        self._seen_N = torch.full_like(self._done_N, NEVER)
        self._starts: list[int] = []  # how many steps there were before each recent update

    @property
    def num_rows(self) -> int:
        """The number of rows of the table."""
        return len(self._table)

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
        """Change the given rows, which have caught up, by their gradient.

        The step of all other rows is deferred.
        """
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
        """Return the whole state as named tensors; recent rows must have caught up."""
        num_rated = self._num_steps - self._num_unrated
        return {
            f"{self._prefix}.mean": self._mean_NE,
            f"{self._prefix}.square": self._square_NE,
            f"{self._prefix}.steps": self._steps_N,
            f"{self._prefix}.done": self._done_N.int(),
            f"{self._prefix}.seen": self._seen_N.int(),
            f"{self._clock}steps": torch.tensor([self._num_steps, *self._starts]),
            f"{self._clock}rates": self._rates_J[max(0, num_rated - KEPT_RATES) : num_rated],
        }

    def whole_state(self) -> dict[str, Tensor]:
        """Return the state between any two steps, with the deferred ones, for `resume`."""
        num_rated = self._num_steps - self._num_unrated
        return self.state() | {f"{self._clock}rates": self._rates_J[:num_rated]}

    def resume(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `whole_state` returned, for the same table."""
        self.load(tensors)
        self._done_N.copy_(tensors[f"{self._prefix}.done"])

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore a state; rows appended since start from zero.

        Raise ValueError when the state belongs to another model.
        """
        own = {
            name.removeprefix(f"{self._prefix}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{self._prefix}.")
        }
        num_rows = len(own["steps"]) if "steps" in own else -1
        if not 0 <= num_rows <= len(self._table) or own["mean"].shape[1] != self._table.shape[1]:
            raise ValueError(
                f"optimiser state: its {self._prefix} has {num_rows} rows, "
                f"but this model's has the shape {tuple(self._table.shape)}; train with mode full"
            )
        self._mean_NE[:num_rows] = own["mean"]
        self._square_NE[:num_rows] = own["square"]
        self._steps_N[:num_rows] = own["steps"]
        if "done" in own:
            self._load_clock(tensors)
            self._load_times(own, num_rows)
            return
        # A state without times is one of a recent update.
        self._done_N.fill_(0)
        self._seen_N[:num_rows] = torch.where(own["steps"] > 0, 0, NEVER)
        self._starts = [0]

    def _load_clock(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the numbers and the rates of steps."""
        self._num_steps, *self._starts = tensors[f"{self._clock}steps"].tolist()
        rates_J = tensors[f"{self._clock}rates"]
        self._num_unrated = self._num_steps - len(rates_J)
        self._rates_J = torch.cat([rates_J, torch.zeros(1024)]).to(self._rates_J.device)

    def _load_times(self, own: Mapping[str, Tensor], num_rows: int) -> None:
        """Restore when rows took their steps."""
        self._done_N.fill_(self._num_steps)
        # A row that has not begun to learn has no steps to make up for.
        self._done_N[:num_rows] = torch.where(own["steps"] > 0, own["done"].long(), self._num_steps)
        self._seen_N[:num_rows] = own["seen"]
