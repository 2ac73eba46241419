"""AdamW (Loshchilov & Hutter 2019) for dense weights, with the arithmetic of `torch.optim`.

The first optimiser of `torch.optim` in a process loads torch's compiler, which takes 1.2 s of the
processor at the start of every training.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

MEAN, SQUARE, STEP = "exp_avg", "exp_avg_sq", "step"  # of a weight's state


class DenseAdam:
    """Moments and step counts of weights; `decayed` are the names of those that decay."""

    def __init__(
        self,
        weights: Mapping[str, nn.Parameter],
        *,
        decayed: frozenset[str],
        weight_decay: float,
        betas: tuple[float, float],
        epsilon: float,
    ) -> None:
        self._weights = weights
        self._decayed: list[Tensor] = [weights[name] for name in weights if name in decayed]
        self._weight_decay = weight_decay
        self._betas = betas
        self._epsilon = epsilon
        self._means = {name: torch.zeros_like(weight.detach()) for name, weight in weights.items()}
        self._squares = {name: torch.zeros_like(mean) for name, mean in self._means.items()}
        self._num_steps = dict.fromkeys(weights, 0)

    @torch.no_grad()
    def step(
        self, gradients: list[Tensor], *, lr: float, rates: Mapping[str, float] | None = None
    ) -> None:
        """Change all weights by their gradients, which are in the same order.

        `rates` are factors of `lr` by weight, for those with a rate of their own.
        """
        first, second = self._betas
        for name in self._num_steps:
            self._num_steps[name] += 1
        counts = list(self._num_steps.values())
        means, squares = list(self._means.values()), list(self._squares.values())
        torch._foreach_mul_(self._decayed, 1 - lr * self._weight_decay)
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, [(1 - second**count) ** 0.5 for count in counts])
        torch._foreach_add_(roots, self._epsilon)
        own = rates or {}
        sizes = [
            -lr * own.get(name, 1.0) / (1 - first**count) for name, count in self._num_steps.items()
        ]
        torch._foreach_addcdiv_(list(self._weights.values()), means, roots, sizes)

    def state(self) -> dict[str, Tensor]:
        """Return the state as `{weight}.{key}`, with the keys of `torch.optim`."""
        tensors = {}
        for name, count in self._num_steps.items():
            tensors[f"{name}.{STEP}"] = torch.tensor(float(count))
            tensors[f"{name}.{MEAN}"] = self._means[name]
            tensors[f"{name}.{SQUARE}"] = self._squares[name]
        return tensors

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned; weights that it lacks begin from zero.

        Raise ValueError when the state belongs to another model.
        """
        for name, weight in self._weights.items():
            if f"{name}.{STEP}" not in tensors:
                continue
            mean, square = tensors[f"{name}.{MEAN}"], tensors[f"{name}.{SQUARE}"]
            if mean.shape != weight.shape:
                raise ValueError(
                    f"optimiser state: {name} has the shape {tuple(mean.shape)}, "
                    f"but this model needs {tuple(weight.shape)}; train with mode full"
                )
            self._num_steps[name] = int(tensors[f"{name}.{STEP}"])
            self._means[name].copy_(mean)
            self._squares[name].copy_(square)
