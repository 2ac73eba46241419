"""Let torch's compiler make one kernel of what a layer computes in many (torch.compile).

On a GPU the kernels of a layer are recorded and started as one (CUDA graphs). Layers of the same
type are compiled once. Without a compiler they stay as they are.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from recommender.encoder.encoder_model import in_one_line
from trainer.learning.network_layers import Forward, WrappedLayers

GRAPHS = "reduce-overhead"  # the compiler's name for CUDA graphs

log = logging.getLogger(__name__)


class CompiledLayers:
    """The layers of a network that are compiled; none until `begin`."""

    def __init__(self, network: nn.Module, *, backend: str = "inductor") -> None:
        self._layers = WrappedLayers(network)
        self._backend = backend

    def begin(self, device: torch.device) -> None:
        """Compile the layers when they are next used, or log once why that is impossible."""
        options: dict[str, Any] = {"backend": self._backend, "dynamic": True}
        if device.type == "cuda":
            options["mode"] = GRAPHS
        why = _obstacle(device, options)
        if why is not None:
            log.warning("the layers of the encoder are not compiled: %s", why)
            return
        # the compiler looks at every input's gradient while it traces
        warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a")
        self._layers.wrap(lambda forward: _compile(forward, options))

    def end(self) -> None:
        """Undo what `begin` did."""
        self._layers.unwrap()


def _compile(forward: Forward, options: dict[str, Any]) -> Forward:
    made: Forward = torch.compile(forward, **options)
    return made


def _obstacle(device: torch.device, options: dict[str, Any]) -> str | None:
    """Return why the compiler cannot make even a small kernel, with gradients; None if it can."""

    def double(value: Tensor) -> Tensor:
        return torch.sin(value) * 2

    try:
        small: Callable[[Tensor], Tensor] = torch.compile(double, **options)
        small(torch.ones(4, device=device, requires_grad=True)).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # compilers and drivers raise anything
        return in_one_line(error)
    return None
