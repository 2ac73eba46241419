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

_FORWARD = "forward"


class RecomputedLayers:
    """The layers of a network that are computed again; none until `begin`."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._layers: list[nn.Module] = []
        config: Any = getattr(network, "config", None)
        self._config = config if hasattr(config, "use_cache") else None
        self._used_cache = config.use_cache if self._config is not None else None

    def begin(self) -> None:
        """Change the layers; a network without a list of them stays as it is.

        A decoder keeps no keys and values of tokens meanwhile: they would be added twice.
        """
        self._layers = _layers_of(self._network)
        for layer in self._layers:
            setattr(layer, _FORWARD, partial(_run, layer.forward))
        if self._layers and self._config is not None:
            self._config.use_cache = False

    def end(self) -> None:
        """Undo what `begin` did."""
        for layer in self._layers:
            delattr(layer, _FORWARD)
        if self._layers and self._config is not None:
            self._config.use_cache = self._used_cache
        self._layers = []


def _layers_of(network: nn.Module) -> list[nn.Module]:
    """Return the longest list of layers of one type, as transformers stack them."""
    longest: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) > len(longest):
            layers = list(module)
            if len({type(layer) for layer in layers}) == 1:
                longest = layers
    return longest


def _run(forward: Callable[..., object], *inputs: Any, **named: Any) -> object:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    return checkpoint(forward, *inputs, use_reentrant=False, **named)
