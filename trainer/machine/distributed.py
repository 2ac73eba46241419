"""One rank or several. Only this module, `meeting` and `sharding` use `torch.distributed`.

With WORLD_SIZE unset or 1, everything here is the identity. Ranks split each global batch and add
up gradients and counts, so that the result does not depend on the number of ranks.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from trainer.machine.meeting import LostRank, Meeting

T = TypeVar("T")
Array = npt.NDArray[Any]
BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
# The other ranks wait while the first reads and evaluates. The process that starts the
# training limits how long that may take.
PATIENCE = timedelta(days=7)


@contextmanager
def process_group(device: torch.device, meeting: Meeting | None = None) -> Iterator[None]:
    """Join the other ranks while the block runs.

    The meeting place is that of `meeting`, or torchrun's, or FRESHET_RENDEZVOUS (`file:///path`) if
    set. Tensors on GPUs are exchanged over NCCL, all others over gloo. The ranks leave together:
    when a rank ends early, torchrun stops the first one, which may still be writing.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1 or dist.is_initialized():  # Ray joins before it calls us
        yield
        return
    with exchange():
        dist.init_process_group(
            BACKENDS[device.type],
            init_method=None if meeting is not None else os.environ.get("FRESHET_RENDEZVOUS"),
            store=meeting.store if meeting is not None else None,
            world_size=world_size,
            rank=meeting.rank if meeting is not None else int(os.environ["RANK"]),
            timeout=PATIENCE,
        )
    yield
    # A barrier on the CPU, because NCCL's would keep the GPUs busy while it waits.
    with exchange():
        dist.all_reduce(torch.zeros(1))
    dist.destroy_process_group()  # after an error this would wait for a rank that hangs


@contextmanager
def exchange(limit_s: float | None = None) -> Iterator[None]:
    """Raise LostRank when an exchange with the other ranks fails."""
    try:
        yield
    except (torch.OutOfMemoryError, LostRank):
        raise
    except RuntimeError as error:
        raise LostRank(error, limit_s=limit_s) from error


def rank() -> int:
    """Return this process's number; only 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def num_ranks() -> int:
    """Return how many ranks train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def share(whole: Sequence[T]) -> Sequence[T]:
    """Return this rank's part of a global batch; it may be empty."""
    return whole[rank() :: dist.get_world_size()] if dist.is_initialized() else whole


def add_up(tensors: Sequence[Tensor], *, limit_s: float) -> None:
    """Replace each tensor by its sum over all ranks, in one exchange.

    Raise LostRank when a rank is gone, or does not take part within `limit_s`.
    """
    if not dist.is_initialized():
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    with exchange(limit_s):
        _wait(dist.all_reduce(flat, async_op=True), limit_s)
    for tensor, part in zip(
        tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True
    ):
        tensor.copy_(part.view_as(tensor))


def union(values_X: Tensor, *, limit_s: float) -> Tensor:
    """Return the distinct values of a one-dimensional tensor of all ranks, ascending.

    Raise LostRank as `add_up` does.
    """
    mine_X: Tensor = torch.unique(values_X)
    if not dist.is_initialized():
        return mine_X
    union_X: Tensor = torch.unique(torch.cat(_gather(mine_X, limit_s)))
    return union_X


def arrays_of_all(arrays: Mapping[str, Array], *, limit_s: float) -> list[dict[str, Array]]:
    """Return the named arrays of all ranks in their order, on every rank.

    Raise LostRank as `add_up` does.
    """
    if not dist.is_initialized():
        return [dict(arrays)]
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    parts = _gather(torch.frombuffer(packed.getbuffer(), dtype=torch.uint8), limit_s)
    return [dict(np.load(io.BytesIO(part.numpy().tobytes()))) for part in parts]


def _gather(mine_X: Tensor, limit_s: float) -> list[Tensor]:
    """Return the one-dimensional tensors of all ranks, whose lengths differ."""
    lengths = torch.zeros(dist.get_world_size(), dtype=torch.long, device=mine_X.device)
    lengths[dist.get_rank()] = len(mine_X)
    add_up([lengths], limit_s=limit_s)
    longest = int(lengths.max())
    padded = F.pad(mine_X, (0, longest - len(mine_X)))
    parts = [torch.zeros_like(padded) for _ in lengths]
    with exchange(limit_s):
        _wait(dist.all_gather(parts, padded, async_op=True), limit_s)
    return [part[:length] for part, length in zip(parts, lengths.tolist(), strict=True)]


def _wait(work: dist.Work | None, limit_s: float) -> None:
    assert work is not None  # it is None for a process outside the group
    work.wait(timedelta(seconds=limit_s))


def from_first(make: Callable[[], T]) -> T:
    """Call `make` on rank 0 and return a copy of its result on every rank."""
    if not dist.is_initialized():
        return make()
    box = [make() if rank() == 0 else None]
    with exchange():
        dist.broadcast_object_list(box, src=0)
    made = box[0]
    assert made is not None
    return made


def scatter(parts: Sequence[T] | None) -> T:
    """Give each rank its part; the first one has them all, and the others pass None.

    With one rank, return its own.
    """
    if not dist.is_initialized():
        assert parts is not None
        return parts[0]
    box: list[T | None] = [None]
    with exchange():
        dist.scatter_object_list(box, list(parts) if parts is not None else None, src=0)
    return box[0]  # type: ignore[return-value]  # T may be None


def from_all(mine: T) -> list[T]:
    """Return the values of all ranks in their order, on every rank."""
    if not dist.is_initialized():
        return [mine]
    boxes: list[T | None] = [None] * dist.get_world_size()
    with exchange():
        dist.all_gather_object(boxes, mine)
    return boxes  # type: ignore[return-value]  # T may be None
