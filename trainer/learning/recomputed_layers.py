"""Let layers forget their activations, and compute them again for gradients.

Memory is then that of one layer and of what is passed between layers, for one more forward pass.
Names and weights of the network stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trainer.learning.network_layers import WrappedLayers


class RecomputedLayers:
    """The layers of a network that are computed again; none until `begin`."""

    def __init__(self, network: nn.Module) -> None:
        self._layers = WrappedLayers(network)
        config: Any = getattr(network, "config", None)
        self._config = config if hasattr(config, "use_cache") else None
        self._used_cache = config.use_cache if self._config is not None else None

    def begin(self) -> None:
        """Change the layers; a network without a list of them stays as it is.

        A decoder keeps no keys and values of tokens meanwhile: they would be added twice.
        """
        self._layers.wrap(lambda forward: partial(_run, forward))
        if self._layers.are_wrapped and self._config is not None:
            self._config.use_cache = False

    def end(self) -> None:
        """Undo what `begin` did."""
        if self._layers.are_wrapped and self._config is not None:
            self._config.use_cache = self._used_cache
        self._layers.unwrap()


def _run(forward: Callable[..., object], *inputs: Any, **named: Any) -> object:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    return checkpoint(forward, *inputs, use_reentrant=False, **named)
