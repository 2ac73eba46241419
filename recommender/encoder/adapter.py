"""A low-rank adapter of an encoder (LoRA, Hu et al. 2021) in plain torch.

A layer's weight W becomes W + (alpha / rank) · B · A. For float32 weights the product is added to
the weight. For weights in half precision it is computed separately in float32, because rounding to
half precision would lose most of what was learned. The file uses the names of peft's adapters.

    O  outputs of a layer      I  its inputs      R  rank
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recommender.encoder.encoder_source import EncoderError

_PREFIX = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """The trained matrices (A_RI, B_OR) of each layer in float32, and the scale alpha / rank."""

    layers: Mapping[str, tuple[Tensor, Tensor]]
    scale: float

    @property
    def digest(self) -> str:
        """The sha256 of the scale, the layers' names and all numbers."""
        digest = hashlib.sha256(f"{self.scale!r}\n".encode())
        for name, (down_RI, up_OR) in sorted(self.layers.items()):
            digest.update(f"{name} {tuple(down_RI.shape)} {tuple(up_OR.shape)}\n".encode())
            digest.update(down_RI.contiguous().numpy().data)
            digest.update(up_OR.contiguous().numpy().data)
        return digest.hexdigest()

    @torch.no_grad()
    def put_on(self, network: nn.Module) -> None:
        """Apply the adapter to a network in place; raise EncoderError when it does not fit."""
        for name, (down_RI, up_OR) in self.layers.items():
            try:
                layer = network.get_submodule(name)
            except AttributeError as error:
                raise EncoderError(
                    f"encoder adapter: it has a layer {name}, which this encoder does not have"
                ) from error
            weight_OI = layer.weight
            shape = (len(up_OR), down_RI.shape[1])
            if not isinstance(weight_OI, Tensor) or tuple(weight_OI.shape) != shape:
                raise EncoderError(
                    f"encoder adapter: layer {name} was trained for a weight of shape {shape}; "
                    "the weight of this encoder has another shape"
                )
            if weight_OI.dtype == torch.float32:
                weight_OI.add_(self.scale * (up_OR @ down_RI).to(weight_OI.device))
            else:
                layer.register_forward_hook(
                    _adapter_hook(
                        down_RI.to(weight_OI.device), self.scale * up_OR.to(weight_OI.device)
                    )
                )

    def save(self, path: Path) -> None:
        """Write the matrices, named as peft names them."""
        tensors = {}
        for name, (down_RI, up_OR) in self.layers.items():
            tensors[f"{_PREFIX}{name}{_DOWN}"] = down_RI.contiguous()
            tensors[f"{_PREFIX}{name}{_UP}"] = up_OR.contiguous()
        save_file(tensors, path)


def load_adapter(path: Path, *, scale: float) -> Adapter:
    """Read an adapter in this format or peft's (plain low-rank layers only); raise EncoderError."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise EncoderError(f"{path}: can't read the encoder's adapter ({error})") from error
    names = [
        key.removeprefix(_PREFIX).removesuffix(_DOWN) for key in tensors if key.endswith(_DOWN)
    ]
    layers = {
        name: (tensors.pop(f"{_PREFIX}{name}{_DOWN}"), tensors.pop(f"{_PREFIX}{name}{_UP}", None))
        for name in names
    }
    whole = {
        name: (down_RI.float(), up_OR.float())
        for name, (down_RI, up_OR) in layers.items()
        if up_OR is not None
    }
    if tensors or len(whole) < len(layers):
        odd = next(iter([*tensors, *(name for name in names if name not in whole)]))
        raise EncoderError(
            f"{path}: expected pairs of {_DOWN[1:]} and {_UP[1:]}, found {odd} alone"
        )
    return Adapter(layers=whole, scale=scale)


def _adapter_hook(
    down_RI: Tensor, up_OR: Tensor
) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
    """Return a hook that adds the adapter's product to a layer's outputs, in float32."""

    def add_product(_layer: nn.Module, inputs: tuple[Tensor], outputs: Tensor) -> Tensor:
        return (outputs.float() + inputs[0].float() @ down_RI.T @ up_OR.T).to(outputs.dtype)

    return add_product
