"""The device of a rank: the CPU, or a GPU. Only this module looks for GPUs.

A training runs on its device from the start bundle to the last epoch. Files, evaluation and serving
use the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from trainer.config import Device

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    R = TypeVar("R", bound=DataclassInstance)

CPU = torch.device("cpu")


def claim_device(wanted: Device) -> torch.device:
    """Return this rank's device and make it the default of libraries such as the text encoder.

    `auto` is the GPU with the rank's number if this machine has a GPU for each of its ranks, and
    the CPU otherwise. `cuda` raises ValueError if there are too few GPUs. When the device is the
    CPU, the GPUs are hidden from this process and its children.
    """
    num_ranks = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("WORLD_SIZE", "1")))
    # This asks the driver without initialising it, so that the GPUs can still be hidden.
    num_gpus = torch.cuda.device_count() if wanted != "cpu" else 0
    if num_gpus >= num_ranks:
        device = torch.device(
            "cuda", int(os.environ.get("LOCAL_RANK", os.environ.get("RANK", "0")))
        )
        torch.cuda.set_device(device)
        return device
    if wanted == "cuda":
        raise ValueError(
            f"train.device is cuda and {num_ranks} rank(s) need a GPU each, "
            f"but torch sees {num_gpus} here; "
            "start fewer ranks, repair the driver, or set train.device to auto or cpu"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    return CPU


@contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """Let a GPU multiply matrices in TF32 while the block runs.

    Training tolerates the ten bits of mantissa; vectors that are stored should not have so few.
    """
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    if device.type == "cuda":
        matmul.fp32_precision = "tf32"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def device_name(device: torch.device) -> str:
    """Return the device's name in a report: `cpu`, or `cuda:` and the name of the GPU."""
    return device.type if device.type != "cuda" else f"cuda: {torch.cuda.get_device_name(device)}"


def to_device(record: R, device: torch.device) -> R:
    """Return a dataclass of tensors on a device, nested dataclasses included."""
    changes: dict[str, object] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Tensor):
            changes[field.name] = value.to(device)
        elif is_dataclass(value) and not isinstance(value, type):
            changes[field.name] = to_device(value, device)
    return replace(record, **changes)
