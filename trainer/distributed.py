"""One rank or several: the only place that knows of `torch.distributed`.

With WORLD_SIZE unset or 1 everything here is the identity. Ranks split each global batch; gradients
and counts are added up, so that the result does not depend on their number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
PATIENCE = timedelta(
    days=7
)  # the others wait while the first encodes texts and evaluates; whoever starts us sets the limit


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the other ranks for the time of the block: where torchrun says, or where FRESHET_RENDEZVOUS does (`file:///path`).

    What lies on GPUs goes over NCCL, everything else over gloo. The ranks leave together: a rank
    that is gone, whatever it died of, makes torchrun end the one that still writes.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1 or dist.is_initialized():  # Ray joins before it calls us
        yield
        return
    backend, where = BACKENDS[device.type], os.environ.get("FRESHET_RENDEZVOUS")
    dist.init_process_group(
        backend,
        init_method=where,
        world_size=world_size,
        rank=int(os.environ["RANK"]),
        timeout=PATIENCE,
    )
    try:
        yield
        dist.all_reduce(
            torch.zeros(1)
        )  # a barrier on the CPU: NCCL's would keep GPUs busy while it waits
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Return this process's number; only 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def share(whole: Sequence[T]) -> Sequence[T]:
    """Return this rank's part of a global batch; it may be empty."""
    return whole[rank() :: dist.get_world_size()] if dist.is_initialized() else whole


def add_up(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over all ranks, in one exchange."""
    if not dist.is_initialized():
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    for tensor, part in zip(
        tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True
    ):
        tensor.copy_(part.view_as(tensor))


def from_first(make: Callable[[], T]) -> T:
    """Let rank 0 make something and give every rank a copy."""
    if not dist.is_initialized():
        return make()
    box = [make() if rank() == 0 else None]
    dist.broadcast_object_list(box, src=0)
    made = box[0]
    assert made is not None
    return made
