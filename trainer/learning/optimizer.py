"""AdamW for the dense weights, and a row-wise Adam for the rows of the item table.

The row-wise Adam does not change the rows of items that no user has met yet. A dense Adam changes
every row by a full step on the slightest gradient, so those items would drift away from their text.

Every other row takes part in every step, because its momentum moves it also without a gradient, and
because rows with rare gradients need the large steps that this gives them. Without that, NDCG@10 on
Beauty is a tenth lower (docs/log.md). Yet a step's time does not grow with the table: the steps
without a gradient are deferred. They are made up for, in closed form, before the row is next read.
The state is a flat dict of tensors that safetensors can store.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from recommender.model import Trained

BETAS = (0.9, 0.99)  # 0.999 remembers longer than an update lasts
EPSILON = 1e-8
# Momentum moves a row by a share of its last step, times .9045 for each step that has passed since.
# After so many steps the rest is less than a ten-thousandth of the whole.
MAX_DEFERRED = 96


class Optimizer:
    """One optimiser over all weights of a model."""

    def __init__(self, model: Trained, *, weight_decay: float) -> None:
        self._table = model.table
        self._mean_NE = torch.zeros_like(model.table)
        self._square_NE = torch.zeros_like(model.table)
        self._steps_N = torch.zeros(len(model.table), device=model.table.device)
        self._now = 0  # steps taken, and for each row how many of them are done
        self._done_N = torch.zeros(len(model.table), dtype=torch.long, device=model.table.device)
        self._dense = {name: weight for name, weight in model.named_parameters() if name != "table"}
        decayed = [weight for name, weight in self._dense.items() if _decays(name, weight)]
        others = [weight for name, weight in self._dense.items() if not _decays(name, weight)]
        groups = [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPSILON)

    def gradients(self) -> list[Tensor]:
        """Return the gradients of the dense weights in a fixed order.

        They are zeros for a weight that took no part.
        """
        for weight in self._dense.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self._dense.values() if weight.grad is not None]

    @torch.no_grad()
    def catch_up(self, rows_X: Tensor, *, lr: float) -> None:
        """Make up for the deferred steps of rows, which are distinct, before they are read.

        After j steps without a gradient Adam's moments are β₁ʲ m and β₂ʲ v, so the sum of those
        steps is m / √v times a factor of the row's numbers of steps alone.
        """
        num_X = self._now - self._done_N[rows_X]
        late_X = num_X > 0
        if not bool(late_X.any()):
            return
        rows_X, num_X = rows_X[late_X], num_X[late_X]
        first, second = BETAS
        after_J = torch.arange(1, min(int(num_X.max()), MAX_DEFERRED) + 1, device=rows_X.device)
        steps_XJ = self._steps_N[rows_X].unsqueeze(1) + after_J
        factor_XJ = (first / second**0.5) ** after_J * (1 - second**steps_XJ).sqrt()
        factor_XJ = factor_XJ / (1 - first**steps_XJ) * (after_J <= num_X.unsqueeze(1))
        mean_XE, square_XE = self._mean_NE[rows_X], self._square_NE[rows_X]
        move_XE = mean_XE / (square_XE.sqrt() + EPSILON)
        self._table[rows_X] -= lr * factor_XJ.sum(1, keepdim=True) * move_XE
        self._mean_NE[rows_X] = mean_XE * first ** num_X.unsqueeze(1)
        self._square_NE[rows_X] = square_XE * second ** num_X.unsqueeze(1)
        self._steps_N[rows_X] += num_X
        self._done_N[rows_X] = self._now

    @torch.no_grad()
    def step(self, rows_X: Tensor, gradient_XE: Tensor, *, lr: float) -> None:
        """Change the dense weights by their gradients, which are cleared, and rows of the table.

        `gradient_XE` is the gradient of the given rows, which have caught up. The step of all other
        rows is deferred.
        """
        for group in self._adam.param_groups:
            group["lr"] = lr
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        first, second = BETAS
        self._now += 1
        self._done_N[rows_X] = self._now
        self._steps_N[rows_X] += 1
        mean_XE = self._mean_NE[rows_X].lerp(gradient_XE, 1 - first)
        square_XE = self._square_NE[rows_X].lerp(gradient_XE.square(), 1 - second)
        self._mean_NE[rows_X], self._square_NE[rows_X] = mean_XE, square_XE
        steps_X1 = self._steps_N[rows_X].unsqueeze(1)
        root_XE = (square_XE / (1 - second**steps_X1)).sqrt() + EPSILON
        self._table[rows_X] -= lr * mean_XE / (1 - first**steps_X1) / root_XE

    def state(self) -> dict[str, Tensor]:
        """Return the whole state as named tensors on the CPU; the rows must have caught up."""
        tensors = {
            "table.mean": self._mean_NE,
            "table.square": self._square_NE,
            "table.steps": self._steps_N,
        }
        for name, weight in self._dense.items():
            for key, value in self._adam.state.get(weight, {}).items():
                tensors[f"{name}.{key}"] = value
        return {
            name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()
        }

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
        for name, weight in self._dense.items():
            if f"{name}.step" not in tensors:
                continue
            if tensors[f"{name}.exp_avg"].shape != weight.shape:
                found = tuple(tensors[f"{name}.exp_avg"].shape)
                raise ValueError(
                    f"optimiser state: {name} has the shape {found}, "
                    f"but this model needs {tuple(weight.shape)}; train with mode full"
                )
            moments = {
                key: tensors[f"{name}.{key}"].to(weight.device, copy=True)
                for key in ("exp_avg", "exp_avg_sq")
            }
            # torch keeps the step count on the CPU.
            self._adam.state[weight] = {"step": tensors[f"{name}.step"].clone(), **moments}


def _decays(name: str, weight: nn.Parameter) -> bool:
    """Return whether a weight decays: matrices do, but not biases, norms, scalars or embeddings."""
    return (
        weight.dim() > 1
        and "embedding" not in name
        and not name.endswith(("time_bias.weight", "place_bias.weight"))
    )
