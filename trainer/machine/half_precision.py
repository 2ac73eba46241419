"""The half precision of a device, and computations in it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def half_type(device: torch.device) -> torch.dtype:
    """Return bfloat16, or float16 for a GPU that lacks it."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def computed_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Let products compute in a type while the block runs; weights and sums stay in float32."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype)
