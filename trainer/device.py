"""Where a rank computes: the CPU, or a GPU when there is one. The only place that asks which devices there are.

A training lies on its device from the start bundle to the last epoch; files, evaluation and serving
are the CPU's.
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
    """Return this rank's device and make it the one that libraries take by themselves, the text encoder's too.

    `auto` is the GPU of the rank's number where this machine has one for each of its ranks, else
    the CPU; `cuda` raises ValueError where that is not so. Where it is the CPU, the GPUs are hidden
    from this process and its children.
    """
    num_ranks = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("WORLD_SIZE", "1")))
    num_gpus = (
        torch.cuda.device_count() if wanted != "cpu" else 0
    )  # asks the driver without starting it, so that hiding still works
    if num_gpus >= num_ranks:
        device = torch.device(
            "cuda", int(os.environ.get("LOCAL_RANK", os.environ.get("RANK", "0")))
        )
        torch.cuda.set_device(device)
        return device
    if wanted == "cuda":
        raise ValueError(
            f"train.device is cuda, and {num_ranks} rank(s) need a GPU each: torch sees {num_gpus} here; "
            "start fewer, repair the driver, or set train.device to auto or cpu"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    return CPU


@contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """Let a GPU multiply matrices in TF32 for the time of the block: training bears its ten bits of mantissa, stored vectors should not."""
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    if device.type == "cuda":
        matmul.fp32_precision = "tf32"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def device_name(device: torch.device) -> str:
    """Return what a report calls the device: `cpu`, or the GPU's own name."""
    return device.type if device.type != "cuda" else f"cuda: {torch.cuda.get_device_name(device)}"


def moved(record: R, device: torch.device) -> R:
    """Return a dataclass of tensors, those nested in it too, on a device."""
    changes: dict[str, object] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Tensor):
            changes[field.name] = value.to(device)
        elif is_dataclass(value) and not isinstance(value, type):
            changes[field.name] = moved(value, device)
    return replace(record, **changes)
