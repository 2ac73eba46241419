"""The layers of an encoder that get a low-rank adapter while it is trained, by peft."""

from __future__ import annotations

import torch
from torch import nn

from recommender.config import EncoderConfig
from recommender.encoder.adapter import Adapter
from recommender.encoder.encoder import EncoderError, TextEncoder

_DOWN, _UP = ".lora_A.default.weight", ".lora_B.default.weight"


def make_trainable(encoder: TextEncoder, seed: int) -> None:
    """Make the encoder's network trainable in place, the same on every rank."""
    if encoder.config.train == "full":
        nn.Module.float(encoder.network).requires_grad_(requires_grad=True)
        return
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise EncoderError(
            "train.encoder.train = 'lora' needs the package peft; run: pip install peft "
            "(pyproject.toml has the version)"
        ) from error
    config = encoder.config
    # Wrapped so that peft does not see a transformers model: for some mixtures of experts it would
    # replace the requested layers by others.
    wrapped = nn.ModuleDict({"network": encoder.network})
    layers = [f"network.{name}" for name in lora_layers(encoder.network, config)]
    settings = LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules=layers, lora_dropout=0.0
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder.network.requires_grad_(requires_grad=False)
        inject_adapter_in_model(settings, wrapped)
    for weight in encoder.network.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()  # small steps are lost in half precision


def lora_layers(network: nn.Module, config: EncoderConfig) -> list[str]:
    """Return the full names of the linear layers that get an adapter.

    Raise EncoderError when the network has none, or none that the settings name.
    """
    linear = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    # A pooler comes after the hidden states that we pool.
    linear = [name for name in linear if "pooler" not in name]
    if not linear:
        raise EncoderError(
            f"encoder {config.model} has no linear layers for an adapter; "
            "set train.encoder.train to frozen or full"
        )
    if config.lora_targets == "all":
        return linear
    wanted = tuple(name.strip() for name in config.lora_targets.split(","))
    found = [name for name in linear if name.rsplit(".", 1)[-1] in wanted]
    if not found:
        known = sorted({name.rsplit(".", 1)[-1] for name in linear})
        raise EncoderError(
            f"encoder {config.model}: lora_targets = {config.lora_targets!r} names none of its "
            f"layers; it has {', '.join(known)}"
        )
    return found


def extract_adapter(encoder: TextEncoder) -> Adapter:
    """Remove peft's layers from the network, restoring the original, and return the adapter."""
    learned = {
        name: weight.detach().float().cpu().clone()
        for name, weight in encoder.network.named_parameters()
        if weight.requires_grad
    }
    names = [name.removesuffix(_DOWN) for name in learned if name.endswith(_DOWN)]
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(
            encoder.network.get_submodule(parent),
            child,
            encoder.network.get_submodule(name).base_layer,
        )
    return Adapter(
        layers={name: (learned[name + _DOWN], learned[name + _UP]) for name in names},
        scale=encoder.config.lora_scale,
    )
