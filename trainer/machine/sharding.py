"""Weights that are divided among the ranks, for networks that do not fit one device (FSDP2).

Each rank holds an equal part of every weight, of its gradient and of the optimiser's moments. A
layer is whole only while it computes. Tensors that are not divided pass through unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainer.machine import distributed


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How weights are divided: the device of each rank's part, and the type to compute in.

    A rank that waits longer than `limit_s` for the others raises RuntimeError.
    """

    device: torch.device
    dtype: torch.dtype
    limit_s: float


def divide(network: nn.Module, parts: Sequence[nn.Module], how: Division) -> None:
    """Divide the weights of a network among all ranks, and move each rank's share to its device.

    Each of `parts`, and what is left, is gathered and freed as one. Gradients are summed. Every
    rank has to compute forward and backward equally often.
    """
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    group = dist.new_group(timeout=timedelta(seconds=how.limit_s))
    mesh = DeviceMesh.from_group(group, how.device.type)
    policy = MixedPrecisionPolicy(param_dtype=how.dtype, reduce_dtype=torch.float32)
    for part in [*parts, network]:
        divided = fully_shard(part, mesh=mesh, mp_policy=policy)
        divided.set_gradient_divide_factor(1.0)
        divided.set_force_sum_reduction_for_comms(True)  # gloo has no means


def whole_of(tensor: Tensor) -> Tensor:
    """Return all of a tensor; of a divided one on every rank, in an exchange."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def set_whole(tensor: Tensor, whole: Tensor | None) -> None:
    """Set all of a tensor on every rank; only the first one has its content."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(tensor, DTensor):
        content = distributed.from_first(lambda: whole)
        assert content is not None
        tensor.copy_(content)
        return
    mine = torch.empty(tensor.shape, dtype=tensor.dtype) if whole is None else whole
    tensor.copy_(distribute_tensor(mine, tensor.device_mesh, tensor.placements))
