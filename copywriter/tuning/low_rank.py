"""Low-rank matrices (LoRA) beside the linear layers of a model, while they are trained.

Each layer's output gets (alpha / rank) · B · A · x (Hu et al. 2021). A starts random and B at zero,
so a model begins as it was. `merge` adds the product to the weights.

    R  rank
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle

from copywriter.writing.writer import WriterError

_BLOCK = re.compile(r"\.(\d+)\.")  # model.layers.17.mlp.up_proj
SCALE = 2.0  # alpha / rank, as in peft's examples


class LowRank:
    """The matrices of the linear layers of a network's upper blocks, not of its output layer.

    `depth` is the share of the blocks that get some. What is below needs no gradients, so half of
    the blocks take two thirds of the time.
    """

    def __init__(self, network: nn.Module, *, rank: int, seed: int, depth: float = 1.0) -> None:
        network.requires_grad_(requires_grad=False)
        self._network = network
        generator = torch.Generator().manual_seed(seed)
        self._layers: dict[str, tuple[Tensor, Tensor]] = {}
        self._hooks: list[RemovableHandle] = []
        for name, layer in _upper_layers(_linear_layers(network), depth).items():
            device = layer.weight.device
            bound = layer.in_features**-0.5
            down_RI = torch.empty(rank, layer.in_features).uniform_(
                -bound, bound, generator=generator
            )
            matrices = (down_RI.to(device), torch.zeros(layer.out_features, rank, device=device))
            for matrix in matrices:
                matrix.requires_grad_()
            self._layers[name] = matrices
            self._hooks.append(layer.register_forward_hook(_LowRankProduct(matrices)))

    @property
    def matrices(self) -> Sequence[Tensor]:
        """Return all that is trained."""
        return [matrix for pair in self._layers.values() for matrix in pair]

    def copy(self) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Return the matrices as they are now."""
        return {
            name: (down.detach().cpu().clone(), up.detach().cpu().clone())
            for name, (down, up) in self._layers.items()
        }

    def merge(self, layers: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Add the product of matrices that `copy` returned to the weights; training is over."""
        for hook in self._hooks:
            hook.remove()
        for name, (down_RI, up_OR) in layers.items():
            weight_OI = self._network.get_submodule(name).weight
            assert isinstance(weight_OI, Tensor)
            product_OI = SCALE * (up_OR @ down_RI).to(weight_OI.device)
            weight_OI.data = (weight_OI.data.float() + product_OI).to(weight_OI.dtype)


class _LowRankProduct:
    """A hook that adds the matrices' product to a layer's outputs.

    It is computed in float32, or as everything else where the processor multiplies in bfloat16:
    conversions would take as long as the layers of a small model.
    """

    def __init__(self, matrices: tuple[Tensor, Tensor]) -> None:
        self._down_RI, self._up_OR = matrices

    def __call__(self, _layer: nn.Module, inputs: tuple[Tensor], outputs: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            return outputs + SCALE * linear(linear(inputs[0], self._down_RI), self._up_OR)
        product = inputs[0].float() @ self._down_RI.T @ self._up_OR.T
        return (outputs.float() + SCALE * product).to(outputs.dtype)


def _upper_layers(layers: Mapping[str, nn.Linear], depth: float) -> Mapping[str, nn.Linear]:
    """Return the layers of the upper blocks; all if their names have no numbers of blocks."""
    found = {name: _BLOCK.search(name) for name in layers}
    blocks = {name: int(block[1]) for name, block in found.items() if block is not None}
    lowest = (1 - depth) * (1 + max(blocks.values(), default=0))
    return {name: layer for name, layer in layers.items() if blocks.get(name, lowest) >= lowest}


def _linear_layers(network: nn.Module) -> Mapping[str, nn.Linear]:
    """Return the linear layers by name, without the one that gives the tokens' logits."""
    found = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and name.rsplit(".", 1)[-1] != "lm_head"
    }
    if not found:
        raise WriterError("the writer's model has no linear layers, so it can't be tuned (LoRA)")
    return found
