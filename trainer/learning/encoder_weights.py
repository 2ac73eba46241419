"""The weights of an encoder that are trained, with their optimiser.

Every rank has all of them, or each has a part (`trainer.machine.sharding`). What a checkpoint holds
is the same in either case, so a training goes on with another number of ranks.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainer.learning.gradient_scale import GradientScale
from trainer.machine import distributed, sharding

BETAS = (0.9, 0.99)
MAX_GRADIENT_NORM = 1.0
_STEP, _MOMENTS = "step", ("exp_avg", "exp_avg_sq")  # AdamW's state of a weight


class EncoderWeights:
    """All weights of a network that want gradients, which come with the factor of `scale`."""

    def __init__(self, network: nn.Module, *, are_divided: bool, scale: GradientScale) -> None:
        self._are_divided = are_divided
        self._scale = scale
        self._weights = {
            name: weight for name, weight in network.named_parameters() if weight.requires_grad
        }
        self._adam = torch.optim.AdamW(
            self._weights.values(), lr=0.0, betas=BETAS, weight_decay=0.0
        )

    def gradients(self) -> list[Tensor]:
        """Return the gradients that have to be summed over ranks, in a fixed order.

        They are zeros for a weight that took no part. Those of divided weights are sums already.
        """
        for weight in self._weights.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        if self._are_divided:
            return []
        return [weight.grad for weight in self._weights.values() if weight.grad is not None]

    def step(self, *, lr: float) -> None:
        """Change the weights by their gradients, which are cleared.

        Change nothing if one of them is too large for its precision.
        """
        weights = list(self._weights.values())
        self._scale.undo([weight.grad for weight in weights if weight.grad is not None])
        norm = sharding.whole_of(nn.utils.clip_grad_norm_(weights, MAX_GRADIENT_NORM))
        if self._scale.is_usable(norm):
            self._adam.param_groups[0]["lr"] = lr
            self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def whole(self, name: str) -> Tensor:
        """Return all of a weight, by its name; every rank calls it."""
        return sharding.whole_of(self._weights[name].detach())

    def forget_moments(self) -> None:
        """Give back the memory of the optimiser, whose steps are over."""
        self._adam.state.clear()

    def names(self) -> list[str]:
        """Return the names of the weights."""
        return list(self._weights)

    def state(self) -> dict[str, Tensor]:
        """Return weights and optimiser as named tensors on the CPU, on the first rank.

        Every rank calls it; the others return nothing.
        """
        is_first, found = distributed.rank() == 0, self._scale.state()
        for name, tensor in self._tensors():
            whole = sharding.whole_of(tensor.detach())
            if is_first:
                found[name] = whole.cpu().clone().contiguous()
        return found if is_first else {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, which only the first rank has; every rank calls it."""
        self._scale.load(distributed.from_first(lambda: self._scale.state_in(tensors)))
        steps = distributed.from_first(
            lambda: {name: tensors.get(f"{name}/{_STEP}") for name in self._weights}
        )
        for name, weight in self._weights.items():
            sharding.set_whole(weight, tensors.get(name))
            step = steps[name]
            if step is None:
                continue
            moments = {key: torch.zeros_like(weight.detach()) for key in _MOMENTS}
            for key, moment in moments.items():
                sharding.set_whole(moment, tensors.get(f"{name}/{key}"))
            self._adam.state[weight] = {_STEP: step.clone(), **moments}

    def _tensors(self) -> list[tuple[str, Tensor]]:
        moments = [
            (f"{name}/{key}", value)
            for name, weight in self._weights.items()
            for key, value in self._adam.state.get(weight, {}).items()
        ]
        return [*self._weights.items(), *moments]
