"""The layers that a network stacks: the parts that are computed again, compiled or divided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

Forward = Callable[..., Any]
_FORWARD = "forward"


def layers_of(network: nn.Module) -> list[nn.Module]:
    """Return the longest list of layers of one type, as transformers stack them; empty if none."""
    longest: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) > len(longest):
            layers = list(module)
            if len({type(layer) for layer in layers}) == 1:
                longest = layers
    return longest


class WrappedLayers:
    """Layers whose forward pass is another one for a time; names and weights stay as they are."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._before: list[tuple[nn.Module, Forward | None]] = []

    @property
    def are_wrapped(self) -> bool:
        """Return whether any layer has another forward pass."""
        return bool(self._before)

    def wrap(self, change: Callable[[Forward], Forward]) -> None:
        """Replace the forward pass of each layer."""
        for layer in layers_of(self._network):
            self._before.append((layer, vars(layer).get(_FORWARD)))
            setattr(layer, _FORWARD, change(layer.forward))

    def unwrap(self) -> None:
        """Undo `wrap`; what was wrapped last is undone first."""
        for layer, forward in self._before:
            if forward is None:
                delattr(layer, _FORWARD)
            else:
                setattr(layer, _FORWARD, forward)
        self._before = []
