"""Dropout of histories, the same however a batch is divided among processes.

What is dropped follows from a key that each history has in training, and from the place in it. A
generator for each history would take six times as long; see docs/log.md. Letters as in
`recommender.network.model`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recommender.network.tensors import HistoryBatch

Dropout = Callable[[Tensor], Tensor]
_STEP = -1_640_531_527  # 2³² divided by the golden ratio, as a signed number
_NUM_DRAWS, _LEAST_DRAW = 1 << 16, -(1 << 15)  # two draws of 16 bits come from each hash


def no_dropout(value: Tensor) -> Tensor:
    """Return the value, as in serving."""
    return value


def history_dropout(batch: HistoryBatch, rate: float) -> Dropout:
    """Return the dropout of a batch; none for histories without keys."""
    if batch.keys_B is None or rate <= 0.0:
        return no_dropout
    return HistoryDropout(batch.keys_B, num_states=batch.rows_BL.shape[1] + 1, rate=rate)


class HistoryDropout:
    """Sets a share of values to zero and scales up the others; each call drops others."""

    def __init__(self, keys_B: Tensor, *, num_states: int, rate: float) -> None:
        self._keys_B = keys_B
        self._num_states = num_states
        self._rate = rate

    def __call__(self, value: Tensor) -> Tensor:
        """Return value_BSX, or value_YX with its padding, with the dropout of a layer."""
        num_numbers = self._num_states * value.shape[-1]  # of a history
        hash_BP = mix(
            self._keys_B.unsqueeze(1)
            + _STEP * torch.arange((num_numbers + 1) // 2, device=value.device, dtype=torch.int32)
        )
        self._keys_B = mix(self._keys_B + 1)
        drawn = hash_BP.view(torch.int16)[:, :num_numbers].flatten()
        kept = (drawn >= _LEAST_DRAW + round(self._rate * _NUM_DRAWS)).to(value.dtype)
        padding = value.numel() - kept.numel()
        scale = F.pad(kept, (0, padding)) if padding else kept
        return value * scale.mul_(1.0 / (1.0 - self._rate)).view_as(value)


def mix(number: Tensor) -> Tensor:
    """Return 32-bit numbers mixed by `lowbias32` (Wellons 2018), in place."""
    number ^= (number >> 16) & 0xFFFF
    number *= 0x7FEB352D
    number ^= (number >> 15) & 0x1FFFF
    number *= 0x846CA68B - (1 << 32)
    number ^= (number >> 16) & 0xFFFF
    return number
