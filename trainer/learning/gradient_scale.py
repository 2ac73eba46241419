"""The scale of gradients that pass through float16, whose small numbers are zero.

It is a power of two, halved when a gradient is too large and doubled after many steps in which none
was (Micikevicius et al. 2018, "Mixed Precision Training"). Other precisions have a scale of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

FIRST_SCALE = 2.0**16  # that of torch's own scaler, as is the number of steps
STEPS_TO_DOUBLE = 2_000
_NAME = "gradient_scale"  # of the state: the scale and the steps since it changed


class GradientScale:
    """The factor of gradients before they are handed on; 1 for good unless they are float16's."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.is_used = dtype == torch.float16
        self.factor = FIRST_SCALE if self.is_used else 1.0
        self._num_steps = 0

    def undo(self, gradients: Sequence[Tensor]) -> None:
        """Divide gradients by the factor, in place."""
        if self.is_used and gradients:
            torch._foreach_mul_(list(gradients), 1 / self.factor)

    def is_usable(self, norm: Tensor) -> bool:
        """Return whether gradients of this norm are finite, and adapt the factor."""
        if not self.is_used:
            return True
        usable = bool(norm.isfinite())
        self._num_steps = self._num_steps + 1 if usable else 0
        if not usable:
            self.factor /= 2
        elif self._num_steps == STEPS_TO_DOUBLE:
            self.factor, self._num_steps = self.factor * 2, 0
        return usable

    def state(self) -> dict[str, Tensor]:
        """Return the state of a checkpoint; empty for a scale that is 1."""
        if not self.is_used:
            return {}
        return {_NAME: torch.tensor([self.factor, float(self._num_steps)], dtype=torch.double)}

    def state_in(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the state among the tensors of a checkpoint."""
        return {_NAME: tensors[_NAME]} if _NAME in tensors else {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        if _NAME in state:
            factor, num_steps = state[_NAME].tolist()
            self.factor, self._num_steps = factor, int(num_steps)
