"""AdamW for the dense weights, and a row-wise Adam for the item table that leaves rows alone which nobody has met yet.

A dense Adam moves every row by a full step on the slightest gradient, so that those items would
drift away from their text. Moving only the rows that a batch reads was tried: without the pull of
the negatives on the others NDCG@10 on Beauty is a quarter lower; docs/log.md. Knows weights and
gradients only; its state is a flat dict of tensors that safetensors can hold.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from recommender.model import Trained

BETAS = (0.9, 0.99)  # 0.999 remembers longer than an update lasts
EPSILON = 1e-8


class Optimizer:
    """One optimiser over all weights of a model."""

    def __init__(self, model: Trained, *, weight_decay: float) -> None:
        self._table = model.table
        self._mean_NE = torch.zeros_like(model.table)
        self._square_NE = torch.zeros_like(model.table)
        self._steps_N = torch.zeros(len(model.table), device=model.table.device)
        self._dense = {name: weight for name, weight in model.named_parameters() if name != "table"}
        decayed = [weight for name, weight in self._dense.items() if _decays(name, weight)]
        others = [weight for name, weight in self._dense.items() if not _decays(name, weight)]
        groups = [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPSILON)

    def gradients(self) -> list[Tensor]:
        """Return all gradients in a fixed order, zeros where a weight had no part."""
        for weight in (self._table, *self._dense.values()):
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [
            weight.grad
            for weight in (self._table, *self._dense.values())
            if weight.grad is not None
        ]

    @torch.no_grad()
    def step(self, rows_X: Tensor, *, lr: float) -> None:
        """Move the dense weights, and of the table only the given rows; then clear the gradients."""
        for group in self._adam.param_groups:
            group["lr"] = lr
        self._adam.step()
        self._step_table(rows_X, lr)
        self._adam.zero_grad(set_to_none=True)
        self._table.grad = None

    def _step_table(self, rows_X: Tensor, lr: float) -> None:
        assert self._table.grad is not None
        gradient_XE = self._table.grad[rows_X]
        first, second = BETAS
        self._steps_N[rows_X] += 1
        self._mean_NE[rows_X] = self._mean_NE[rows_X].lerp(gradient_XE, 1 - first)
        self._square_NE[rows_X] = self._square_NE[rows_X].lerp(gradient_XE.square(), 1 - second)
        steps_X1 = self._steps_N[rows_X].unsqueeze(1)
        mean_XE = self._mean_NE[rows_X] / (1 - first**steps_X1)
        root_XE = (self._square_NE[rows_X] / (1 - second**steps_X1)).sqrt() + EPSILON
        self._table[rows_X] -= lr * mean_XE / root_XE

    def state(self) -> dict[str, Tensor]:
        """Return the whole state as named tensors of the CPU."""
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
        """Take over a state. Rows appended since start afresh; raise ValueError when it is of another model."""
        num_rows = len(tensors["table.steps"]) if "table.steps" in tensors else -1
        if (
            not 0 <= num_rows <= len(self._table)
            or tensors["table.mean"].shape[1] != self._table.shape[1]
        ):
            raise ValueError(
                f"optimiser state: made for a table of {num_rows} rows, this model has {tuple(self._table.shape)}; train with mode full"
            )
        self._mean_NE[:num_rows] = tensors["table.mean"]
        self._square_NE[:num_rows] = tensors["table.square"]
        self._steps_N[:num_rows] = tensors["table.steps"]
        for name, weight in self._dense.items():
            if f"{name}.step" not in tensors:
                continue
            if tensors[f"{name}.exp_avg"].shape != weight.shape:
                raise ValueError(
                    f"optimiser state: {name} has shape {tuple(tensors[f'{name}.exp_avg'].shape)}, this model {tuple(weight.shape)}; "
                    "train with mode full"
                )
            moments = {
                key: tensors[f"{name}.{key}"].to(weight.device, copy=True)
                for key in ("exp_avg", "exp_avg_sq")
            }
            self._adam.state[weight] = {
                "step": tensors[f"{name}.step"].clone(),
                **moments,
            }  # torch keeps the count on the CPU


def _decays(name: str, weight: nn.Parameter) -> bool:
    """Tell whether a weight decays: matrices do; biases, norms, scalars and embedding rows do not."""
    return (
        weight.dim() > 1
        and "embedding" not in name
        and not name.endswith(("time_bias.weight", "place_bias.weight"))
    )
